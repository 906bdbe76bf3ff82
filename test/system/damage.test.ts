import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemCode } from '../../src/common/errors.js';
import { EXIT_CODES } from '../../src/common/exit-codes.js';
import { Random, testSeed } from '../kit/random.js';
import { scratch } from '../kit/mount-server.js';
import { checkVerifies, listedVersions } from '../kit/trust/check.js';
import { damageFile, dataFiles, flipInside, type Damage } from '../kit/trust/damage-files.js';
import { contentDigest } from '../kit/trust/machine.js';
import { change } from '../kit/table-damage.js';
import { hostedUmbraAt } from '../kit/hosted-umbra.js';
import { errorOf, type Umbra } from '../kit/umbra-program.js';

const MIB = 1024 * 1024;
const BLOCK_BYTES = 4096;

const random = new Random(testSeed(t));

/** Flipped bits always, and what leaves a file too short or away, one of them. */
const DAMAGES: readonly Damage[] = ['bit flip', random.chance(0.5) ? 'truncation' : 'deletion'];

interface Protected {
  readonly umbra: Umbra;
  readonly directory: string;
  readonly image: string;
  readonly content: Buffer;
  readonly version: string;
}

/** What {@link protectedImage} gives copies of; each kind is made once. */
const prepared = new Map<string, Promise<Protected>>();

/** A store with one shadow copy of an image of random bytes with a hole; its server is stopped. */
async function protectedImage(
  t: Test,
  { sizeBytes = 4 * MIB, inTables = random.chance(0.5) } = {},
): Promise<Protected> {
  const kind = `${sizeBytes} ${inTables}`;
  const known = prepared.get(kind) ?? prepare(sizeBytes, inTables);
  prepared.set(kind, known);
  const { umbra: original, ...image } = await known;
  const directory = scratch(t);
  const umbra = hostedUmbraAt(t, join(directory, 'store'));
  cpSync(original.store, umbra.store, { recursive: true });
  return { ...image, umbra, directory };
}

async function prepare(sizeBytes: number, inTables: boolean): Promise<Protected> {
  const directory = scratch(t);
  const umbra = hostedUmbraAt(t, join(directory, 'store'));
  const image = join(directory, 'one.raw');
  const content = random.bytes(sizeBytes).fill(0, 2 * MIB, 3 * MIB);
  writeFileSync(image, content);
  const { shadowCopy } = await umbra.backup('one', image);
  // Opening it again brings what the log holds into tables.
  if (inTables) {
    await umbra.stop();
    await umbra.list();
  }
  await umbra.stop();
  return { umbra, directory, image, content, version: `one@${shadowCopy}` };
}

/** Read a volume in a mount block by block: each right, or EIO; how many of both. */
async function readBlocks(t: Test, { umbra, directory, content, version }: Protected): Promise<number> {
  const mountPoint = join(directory, 'mount');
  await umbra.mount(mountPoint);
  const file = join(mountPoint, ...version.split('@'), 'volumes', 'vda.raw');
  let failed = 0;
  const handle = await open(file).catch((error: unknown) => {
    t.equal(systemCode(error), 'EIO', 'a volume that cannot be opened says EIO');
  });
  if (handle === undefined) failed = content.length / BLOCK_BYTES;
  for (let at = 0; handle && at < content.length; at += BLOCK_BYTES) {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, content.length - at));
    try {
      await handle.read(block, 0, block.length, at);
      if (!block.equals(content.subarray(at, at + block.length))) t.fail(`wrong bytes at ${at}`);
    } catch (error) {
      if (systemCode(error) !== 'EIO') throw error;
      failed++;
    }
  }
  await handle?.close();
  await umbra.result('unmount', mountPoint);
  return failed;
}

t.test('a bit of a chunk', { timeout: 240_000 }, async (t) => {
  // A bit of a log costs all that was written with it, which is less than exact.
  const store = await protectedImage(t, { sizeBytes: 6 * MIB, inTables: true });
  const { umbra, directory, image, content, version } = store;
  const at = 4 * MIB + 16 * BLOCK_BYTES;
  // Random bytes do not shrink, so they are stored as they are.
  const [file = ''] = dataFiles(umbra.store, 'objects');
  flipInside(file, content.subarray(at + 1024, at + 1088));

  t.ok((await readBlocks(t, store)) > 0, 'blocks of the chunk cannot be read');
  const line = umbra.log().find((text) => /"level":"error".*chunk [0-9a-f]{64}/.test(text));
  t.match(line, version.slice(4), 'the log names the chunk and the file');

  const target = join(directory, 'restored.raw');
  const restored = await umbra.run('restore', version, '--volume', 'vda', '--to', target);
  t.equal(restored.code, EXIT_CODES.DAMAGED.code, restored.stderr);
  t.equal(errorOf(restored).code, 'STORE_DAMAGED');

  for (const command of [[], ['one'], [version]]) {
    const { code, found } = await umbra.verify(...command);
    t.equal(code, EXIT_CODES.DAMAGED.code);
    const [range, ...more] = found.damaged;
    t.same(more, [], 'one chunk is damaged');
    t.match(range, { machine: 'one', shadowCopy: version.slice(4), volume: 'vda', kind: 'chunk' });
    t.ok(range && range.offset <= at && at < range.offset + range.length, 'the range is named');
    t.type(found.advice, 'string');
  }

  const good = await umbra.backup('one', image);
  t.ok(good.shadowCopy, 'backing up the same image again');
  await checkVerifies(umbra);
  t.equal(await readBlocks(t, store), 0, 'healed');
  await umbra.result('restore', version, '--volume', 'vda', '--to', target);
  t.equal(contentDigest(readFileSync(target)), contentDigest(content), 'and restored over the broken attempt');
});

for (const damage of DAMAGES) {
  t.test(`objects: ${damage} anywhere`, { timeout: 240_000 }, async (t) => {
    for (const inTables of damage === 'bit flip' ? [false, true] : [random.chance(0.5)]) {
      const store = await protectedImage(t, { inTables });
      const { umbra } = store;
      for (const file of dataFiles(umbra.store, 'objects')) damageFile(file, damage, random);
      await assertHonest(t, store);
      await assertHeals(t, store);
    }
  });
}

/** Whatever can still be read is right, and what can't says so. */
async function assertHonest(t: Test, store: Protected): Promise<void> {
  const { umbra, directory, content, version } = store;
  const listed = await umbra.run('list');
  if (listed.code !== 0) {
    t.equal(listed.code, EXIT_CODES.DAMAGED.code, `list: ${listed.stderr}`);
    t.match(errorOf(listed).hint, /umbra rebuild/);
    return;
  }
  const failed = await readBlocks(t, store);
  const target = join(directory, 'restored.raw');
  const restored = await umbra.run('restore', version, '--volume', 'vda', '--to', target);
  if (restored.code === 0) t.equal(contentDigest(readFileSync(target)), contentDigest(content));
  else t.equal(restored.code, EXIT_CODES.DAMAGED.code, restored.stderr);
  t.equal(restored.code === 0, failed === 0, 'restore and mount agree');
  const { found } = await umbra.verify();
  t.equal(found.damaged.length === 0, failed === 0, 'verification and mount agree');
}

/** Rebuilding, if the store can't be opened, and a backup of the same image make the store right again. */
async function assertHeals(t: Test, store: Protected): Promise<void> {
  const { umbra, image, content, directory } = store;
  if ((await umbra.run('list')).code !== 0) await umbra.rebuild();
  await umbra.result('backup', 'one', image, '--reread');
  const versions = await listedVersions(umbra);
  const newest = versions.at(-1) ?? '';
  const { found } = await umbra.verify(newest);
  t.same(found.damaged, [], `${newest} is whole`);
  const target = join(directory, 'healed.raw');
  await umbra.result('restore', newest, '--volume', 'vda', '--to', target);
  t.equal(contentDigest(await readFile(target)), contentDigest(content));
}

for (const damage of DAMAGES) {
  t.test(`meta: ${damage}, and rebuild`, { timeout: 240_000 }, async (t) => {
    const store = await protectedImage(t);
    const { umbra, version } = store;
    for (const file of dataFiles(umbra.store, 'meta')) damageFile(file, damage, random);
    const listed = await umbra.run('list');
    if (listed.code !== 0) {
      t.equal(listed.code, EXIT_CODES.DAMAGED.code, listed.stderr);
      t.match(errorOf(listed).hint, /umbra rebuild/);
    }
    const { shadowCopies } = await umbra.rebuild();
    t.equal(shadowCopies, 1);
    t.same(await listedVersions(umbra), [version]);
    await checkVerifies(umbra);
    t.equal(await readBlocks(t, store), 0);
  });
}

t.test('meta: the length of a key, over which LevelDB ends its process', { timeout: 240_000 }, async (t) => {
  const store = await protectedImage(t, { inTables: true });
  const { umbra, version } = store;
  // Of the first entry of the first block: a key has eight bytes of LevelDB's own.
  for (const table of dataFiles(umbra.store, 'meta')) change(table, (bytes) => (bytes[1] = 1));
  const listed = await umbra.run('list');
  t.equal(listed.code, EXIT_CODES.DAMAGED.code, listed.stderr);
  t.match(errorOf(listed), { message: /meta\/\d+\.ldb is damaged/, hint: /umbra rebuild/ });
  t.match(umbra.log().join('\n'), /Assertion/, 'a server died of it before one looked');
  await umbra.rebuild();
  t.same(await listedVersions(umbra), [version]);
});

t.test('meta and the format file lost altogether', { timeout: 240_000 }, async (t) => {
  const store = await protectedImage(t);
  const { umbra, image, version } = store;
  const again = await umbra.backup('one', image);
  await umbra.forget(version);
  await umbra.stop();
  rmSync(join(umbra.store, 'meta'), { recursive: true });
  rmSync(join(umbra.store, 'format'));
  const listed = await umbra.run('list');
  t.equal(listed.code, EXIT_CODES.DAMAGED.code);
  t.match(errorOf(listed).hint, /umbra rebuild/);
  const rebuilt = await umbra.rebuild();
  t.match(rebuilt, { shadowCopies: 1, stayedDeleted: 1, damagedObjects: 0 });
  t.same(await listedVersions(umbra), [`one@${again.shadowCopy}`], 'what was forgotten stays forgotten');
  await checkVerifies(umbra);
  await umbra.gc();
  t.equal(await readBlocks(t, { ...store, version: `one@${again.shadowCopy}` }), 0);
});
