import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { UmbraError } from '../../../src/common/errors.js';
import type { KvStore } from '../../../src/store/kv.js';
import { openLevelKv, type LevelKvOptions } from '../../../src/store/level-kv.js';
import { numberKey } from '../../kit/bytes.js';
import { Random, testSeed } from '../../kit/random.js';
import { smallDisk } from '../../kit/small-disk.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;
const NEW: LevelKvOptions = { profile: 'bulk', createIfMissing: true, errorIfExists: true };
const EXISTING: LevelKvOptions = { profile: 'bulk', createIfMissing: false, errorIfExists: false };

/** Writes batches of ascending entries with sync and keeps in mind what was acknowledged. */
class Writer {
  readonly acknowledged = new Set<number>();
  readonly #random: Random;
  #next = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  async write(kv: KvStore, entries: number, sync = true): Promise<void> {
    const numbers = Array.from({ length: entries }, () => this.#next++);
    const operations = numbers.map((number) => {
      return { type: 'put', key: numberKey(number), value: Buffer.alloc(24_000, this.#random.bytes(997)) } as const;
    });
    await kv.write(operations, { sync });
    for (const number of numbers) this.acknowledged.add(number);
  }

  /** Write until it fails; returns the error. */
  async writeUntilFull(kv: KvStore): Promise<UmbraError> {
    for (;;) {
      try {
        await this.write(kv, this.#random.between(1, 40));
      } catch (error) {
        return error as UmbraError;
      }
    }
  }

  async missing(kv: KvStore): Promise<number[]> {
    const numbers = [...this.acknowledged];
    const missing: number[] = [];
    for (let at = 0; at < numbers.length; at += 100) {
      const part = numbers.slice(at, at + 100);
      const values = await kv.getMany(part.map(numberKey));
      missing.push(...part.filter((_, index) => values[index]?.length !== 24_000));
    }
    return missing;
  }
}

t.test('a full disk', async (t) => {
  const random = new Random(testSeed(t));
  const disk = smallDisk(t, 160 * MIB);
  const directory = join(disk.directory, 'objects');
  const kv = await openLevelKv(directory, NEW);
  const writer = new Writer(random);
  await writer.write(kv, 200);
  for (let round = 0; round < 4; round++) {
    disk.fill(random.between(1, 20 * MIB));
    t.equal((await writer.writeUntilFull(kv)).code, 'STORE_FULL');
    t.same(await writer.missing(kv), [], 'everything can be read while it is full');
    t.equal((await writer.writeUntilFull(kv)).code, 'STORE_FULL', 'and it stays full');
    disk.release();
    await writer.write(kv, 5);
    t.same(await writer.missing(kv), [], 'it goes on when there is room again');
    await kv.write(
      [...writer.acknowledged].map((number) => ({ type: 'del', key: numberKey(number) })),
      { sync: true },
    );
    await kv.compact(numberKey(0), numberKey(1e6));
    writer.acknowledged.clear();
    await writer.write(kv, 200);
  }
  disk.fill(random.between(1, 20 * MIB));
  await writer.writeUntilFull(kv);
  disk.release();
  await writer.write(kv, 5);
  // What a crash would leave: no close writes anything more.
  const copy = join(temporaryDirectory(t), 'copy');
  cpSync(directory, copy, { recursive: true, filter: (path) => !path.endsWith('LOCK') });
  const crashed = await openLevelKv(copy, EXISTING);
  t.same(await writer.missing(crashed), [], 'what was acknowledged after a failure outlives a crash');
  await crashed.close();
  await kv.close();
});

t.test('flushing on a full disk, and after LevelDB was opened again', async (t) => {
  const disk = smallDisk(t, 128 * MIB);
  const kv = await openLevelKv(join(disk.directory, 'objects'), NEW);
  const writer = new Writer(new Random(testSeed(t)));
  await writer.write(kv, 300, false);
  disk.fill(100_000);
  await t.rejects(kv.flush(), { code: 'STORE_FULL' }, 'what is in memory has no room');
  disk.release();
  await writer.write(kv, 10, false);
  await kv.flush();
  await writer.write(kv, 10, false);
  disk.fill(MIB);
  await writer.writeUntilFull(kv);
  disk.release();
  await writer.write(kv, 1);
  await t.rejects(kv.flush(), { code: 'STORE_FAILED', message: /opened again/ }, 'nobody knows what the log still had');
  await kv.flush();
  t.same(await writer.missing(kv), []);
  await kv.close();
});

t.test('flushing where there can be no more files', async (t) => {
  const disk = smallDisk(t, 128 * MIB, 20);
  const kv = await openLevelKv(join(disk.directory, 'objects'), NEW);
  const writer = new Writer(new Random(testSeed(t)));
  await writer.write(kv, 50, false);
  const others: string[] = [];
  t.throws(
    () => {
      for (;;) {
        const name = join(disk.directory, `other-${others.length}`);
        writeFileSync(name, '');
        others.push(name);
      }
    },
    { code: 'ENOSPC' },
  );
  await t.rejects(
    kv.flush(),
    { code: /STORE_FAILED|STORE_FULL/ },
    'LevelDB itself says nothing when it can begin no new log',
  );
  for (const name of others) rmSync(name);
  await writer.write(kv, 50, false);
  await kv.flush();
  t.same(await writer.missing(kv), []);
  await kv.close();
});

t.test('compaction on a full disk', async (t) => {
  const disk = smallDisk(t, 96 * MIB);
  const kv = await openLevelKv(join(disk.directory, 'objects'), NEW);
  const writer = new Writer(new Random(testSeed(t)));
  await writer.write(kv, 300, false);
  disk.fill(100_000);
  await t.rejects(kv.compact(numberKey(0), numberKey(300)), { code: 'STORE_FULL' });
  await t.rejects(kv.compact(numberKey(0), numberKey(300)), { code: 'STORE_FULL' }, 'as long as it is full');
  t.same(await writer.missing(kv), []);
  disk.release();
  await kv.compact(numberKey(0), numberKey(300));
  t.same(await writer.missing(kv), []);
  await kv.close();
});

t.test('readers and iterations live through a recovery', async (t) => {
  const disk = smallDisk(t, 128 * MIB);
  const kv = await openLevelKv(join(disk.directory, 'objects'), NEW);
  const writer = new Writer(new Random(testSeed(t)));
  for (let batch = 0; batch < 10; batch++) await writer.write(kv, 100);
  const forward = numbersOf(kv, false);
  const backward = numbersOf(kv, true);
  const seen = [[], []] as [number[], number[]];
  await takeInto(seen[0], forward, 200);
  await takeInto(seen[1], backward, 200);
  disk.fill(MIB);
  await writer.writeUntilFull(kv);
  disk.release();
  const reads = Promise.all(Array.from({ length: 50 }, (_, number) => kv.get(numberKey(number * 10))));
  await writer.write(kv, 1);
  t.ok((await reads).every((value) => value?.length === 24_000));
  await takeInto(seen[0], forward, Infinity);
  await takeInto(seen[1], backward, Infinity);
  t.same(
    seen[0].slice(0, 1000),
    Array.from({ length: 1000 }, (_, number) => number),
    'forward',
  );
  t.same(
    seen[1].slice(-1000),
    Array.from({ length: 1000 }, (_, number) => 999 - number),
    'backward',
  );
  await kv.close();
});

async function* numbersOf(kv: KvStore, reverse: boolean): AsyncGenerator<number> {
  for await (const [key] of kv.entries({ reverse })) yield Number(Buffer.from(key).readBigUInt64BE());
}

async function takeInto(target: number[], source: AsyncGenerator<number>, count: number): Promise<void> {
  for (let taken = 0; taken < count; taken++) {
    const next = await source.next();
    if (next.done === true) return;
    target.push(next.value);
  }
}

t.test('a database whose directory cannot be made durable is not opened, and can be opened again', async (t) => {
  const directory = join(temporaryDirectory(t), 'db');
  // No file system here refuses to sync a directory alone.
  const root = await open('/');
  const failing = failSyncs(root);
  t.teardown(failing.end);
  await t.rejects(openLevelKv(directory, NEW), { code: 'STORE_FAILED', message: /EIO/ });
  failing.end();
  await root.close();
  const kv = await openLevelKv(directory, EXISTING);
  await kv.close();
});

/** Makes each `sync` of a handle of node:fs/promises fail; LevelDB has its own. */
function failSyncs(handle: FileHandle): { readonly end: () => void } {
  const handles = Object.getPrototypeOf(handle) as object;
  const sync = Object.getOwnPropertyDescriptor(handles, 'sync') ?? {};
  const fail = (): Promise<never> => Promise.reject(Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' }));
  Object.defineProperty(handles, 'sync', { ...sync, value: fail });
  return {
    end: () => {
      Object.defineProperty(handles, 'sync', sync);
    },
  };
}
