import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isUmbraError } from '../../../src/common/errors.js';
import type { KvStore } from '../../../src/store/kv.js';
import { openLevelKv, type LevelKvOptions } from '../../../src/store/level-kv.js';
import { checkTables, isPoison } from '../../../src/store/table-check.js';
import { mendTables } from '../../../src/store/table-mend.js';
import { numberKey } from '../../kit/bytes.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const root = temporaryDirectory(t);
const NEW: LevelKvOptions = { profile: 'bulk', createIfMissing: true, errorIfExists: true };
const EXISTING: LevelKvOptions = { profile: 'bulk', createIfMissing: false, errorIfExists: false };

async function countEntries(kv: KvStore): Promise<number> {
  let count = 0;
  for await (const _ of kv.keys()) count++;
  return count;
}

t.test('what is opened must be as the options say', async (t) => {
  const directory = join(root, 'options');
  await t.rejects(openLevelKv(directory, EXISTING), { code: 'STORE_NOT_FOUND' });
  t.notOk(existsSync(directory), 'nothing is made');
  await (await openLevelKv(directory, NEW)).close();
  await t.rejects(openLevelKv(directory, NEW), { code: 'STORE_FAILED', message: /already/ });
  await (await openLevelKv(directory, EXISTING)).close();
  const file = join(root, 'file');
  writeFileSync(file, '');
  await t.rejects(openLevelKv(file, NEW), { code: 'STORE_FAILED' });
  await t.rejects(openLevelKv(join(file, 'below'), NEW), { code: 'STORE_FAILED' });
});

t.test('a database has one user', async (t) => {
  const directory = join(root, 'locked');
  const first = await openLevelKv(directory, NEW);
  await t.rejects(openLevelKv(directory, EXISTING), { name: 'UmbraError', code: 'STORE_IN_USE' });
  const child = spawn(process.execPath, [levelWriter(), directory], { stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text));
  await once(child, 'close');
  t.match(words, /STORE_IN_USE/, 'in another process too');
  await first.write([{ type: 'put', key: numberKey(1), value: Buffer.from('1') }], { sync: true });
  await first.close();
  await (await openLevelKv(directory, EXISTING)).close();
});

t.test('batches acknowledged with sync outlive the process', async (t) => {
  const random = new Random(testSeed(t));
  const directory = join(root, 'killed');
  for (let round = 0; round < 3; round++) {
    const acknowledged = await writeAndKill(directory, random.between(1, 60));
    const kv = await openLevelKv(directory, EXISTING);
    const values = await kv.getMany(Array.from({ length: 3 * (acknowledged + 1) }, (_, index) => numberKey(index)));
    t.ok(
      values.every((value) => value?.length === 30_000),
      `${acknowledged + 1} batches`,
    );
    t.equal((await countEntries(kv)) % 3, 0, 'batches are whole');
    await kv.close();
  }
});

function levelWriter(): string {
  return fileURLToPath(new URL('../../kit/level-writer.js', import.meta.url));
}

/** Returns the last batch that was acknowledged. */
async function writeAndKill(directory: string, batches: number): Promise<number> {
  const child = spawn(process.execPath, [levelWriter(), directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let last = -1;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last >= batches) child.kill('SIGKILL');
  }
  return last;
}

t.test('what was flushed is in tables, which need no log', async (t) => {
  const directory = join(root, 'flushed');
  const kv = await openLevelKv(directory, NEW);
  const value = new Random(testSeed(t)).bytes(100_000);
  // More than one table in memory, so that some of it is in a log that LevelDB closed without syncing it.
  for (let index = 0; index < 250; index++)
    await kv.write([{ type: 'put', key: numberKey(index), value }], { sync: false });
  await kv.flush();
  const copy = join(root, 'flushed-copy');
  cpSync(directory, copy, { recursive: true });
  for (const name of readdirSync(copy)) if (name.endsWith('.log')) truncateSync(join(copy, name), 0);
  await kv.flush();
  await kv.close();
  const opened = await openLevelKv(copy, EXISTING);
  t.equal(await countEntries(opened), 250);
  t.ok(value.equals((await opened.get(numberKey(249))) ?? Buffer.alloc(0)));
  await opened.close();
});

t.test('damage has a code', async (t) => {
  const random = new Random(testSeed(t));
  const whole = join(root, 'whole');
  await makeTables(whole);
  const names = readdirSync(whole).filter((name) => /^(CURRENT|MANIFEST.*|.*\.ldb|.*\.log)$/.test(name));
  const seen = new Set<string>();
  for (const name of names) {
    for (const how of [truncate, flipBits, remove]) {
      const damaged = join(root, 'damaged');
      cpSync(whole, damaged, { recursive: true });
      how(join(damaged, name), random);
      // LevelDB could end the process over damaged keys.
      const poison = (await checkTables(damaged, { dataBlocks: true })).filter(({ kind }) => isPoison(kind));
      if (poison.length > 0) await mendTables(damaged, {});
      const outcome = await useDamaged(damaged);
      t.notMatch(outcome, /uncoded/, `${how.name} ${name}: ${outcome}`);
      seen.add(outcome);
      rmSync(damaged, { recursive: true });
    }
  }
  t.ok(seen.has('STORE_DAMAGED'));
});

t.test('its tables are those in use', async (t) => {
  const directory = join(root, 'tables');
  await makeTables(directory);
  const kv = await openLevelKv(directory, EXISTING);
  const tables = await kv.tables?.();
  t.equal(tables?.directory, directory);
  t.same(
    [...(tables?.names ?? [])].sort(),
    readdirSync(directory)
      .filter((name) => name.endsWith('.ldb'))
      .sort(),
  );
  t.ok((tables?.names.length ?? 0) > 1);
  await kv.close();
});

t.test('a database without CURRENT is not taken for a new one', async (t) => {
  const directory = join(root, 'current');
  await makeTables(directory);
  const tables = readdirSync(directory).filter((name) => name.endsWith('.ldb'));
  rmSync(join(directory, 'CURRENT'));
  await t.rejects(openLevelKv(directory, { ...NEW, errorIfExists: false }), { code: 'STORE_DAMAGED' });
  t.ok(tables.every((name) => existsSync(join(directory, name))));
});

t.test('an unreadable block is an error, never a missing key', async (t) => {
  const directory = join(root, 'block');
  await makeTables(directory);
  const [table = ''] = readdirSync(directory)
    .filter((name) => name.endsWith('.ldb'))
    .sort();
  truncateSync(join(directory, table), 0);
  const kv = await openLevelKv(directory, EXISTING);
  const numbers = Array.from({ length: 300 }, (_, number) => number);
  const outcomes = await Promise.allSettled(numbers.map((number) => kv.get(numberKey(number))));
  const failed = outcomes.filter(({ status }) => status === 'rejected').length;
  t.ok(failed > 0);
  t.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value === undefined).length, 0);
  for (const range of [{}, { reverse: true }, { limit: 1 }, { limit: 250 }, { reverse: true, limit: 299 }]) {
    await t.rejects(
      async () => {
        for await (const _ of kv.keys(range)) continue;
      },
      { code: 'STORE_DAMAGED' },
      JSON.stringify(range),
    );
  }
  await kv.close();
});

/** A database with tables and a log. */
async function makeTables(directory: string): Promise<void> {
  const kv = await openLevelKv(directory, NEW);
  for (const part of [0, 1, 2]) {
    for (let number = part * 100; number < part * 100 + 100; number++) {
      await kv.write([{ type: 'put', key: numberKey(number), value: Buffer.alloc(3000, number) }], { sync: false });
    }
    if (part < 2) await kv.compact(numberKey(part * 100), numberKey(part * 100 + 99));
  }
  await kv.close();
}

function truncate(path: string, random: Random): void {
  truncateSync(path, random.below(readFileSync(path).length));
}

function flipBits(path: string, random: Random): void {
  const content = readFileSync(path);
  for (let count = 0; count < 40; count++) {
    // The second half of the flips is at the end, where a table has its index.
    const at =
      count % 2 === 0 ? random.below(content.length) : content.length - 1 - random.below(Math.min(200, content.length));
    content[at] = (content[at] ?? 0) ^ (1 << random.below(8));
  }
  writeFileSync(path, content);
}

function remove(path: string): void {
  rmSync(path);
}

/** Open, read everything, write, compact; the codes of what failed. */
async function useDamaged(directory: string): Promise<string> {
  const codes = new Set<string>();
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      codes.add(isUmbraError(error) ? error.code : `uncoded ${String(error)}`);
    }
  };
  await attempt(async () => {
    const kv = await openLevelKv(directory, EXISTING);
    await attempt(() => countEntries(kv));
    for (let number = 0; number < 300; number += 7) await attempt(() => kv.get(numberKey(number)));
    await attempt(() => kv.write([{ type: 'put', key: numberKey(1000), value: Buffer.alloc(10) }], { sync: true }));
    await attempt(() => kv.compact(numberKey(0), numberKey(1000)));
    await attempt(() => kv.write([{ type: 'put', key: numberKey(1001), value: Buffer.alloc(10) }], { sync: true }));
    await attempt(() => kv.close());
  });
  return [...codes].sort().join(' ') || 'no error';
}
