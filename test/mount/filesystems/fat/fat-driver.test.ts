import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { fatDriver } from '../../../../mount/filesystems/fat/fat-driver.js';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { damagedSource, fatBytes } from '../../../kit/filesystems/fat-bytes.js';
import { copyOntoFat, makeFatImage, makeTree } from '../../../kit/filesystems/fat-images.js';
import { filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { fileSource, memorySource } from '../../../kit/filesystems/sources.js';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const MIB = 1024 * 1024;

async function open(source: ByteSource): Promise<Filesystem> {
  return await fatDriver.open({ source, cache: new BlockCache(MIB) });
}

/** A file system with a tree on it. */
function filled(t: Test, kind: 12 | 16 | 32): Buffer {
  const directory = temporaryDirectory(t);
  const image = join(directory, 'image');
  makeFatImage(image, { kind, sizeBytes: kind === 32 ? 40 * MIB : 8 * MIB, clusterSectors: kind === 12 ? 8 : 1 });
  copyOntoFat(image, directory, makeTree(directory, new Random(testSeed(t)), 512));
  return readFileSync(image);
}

/** Where the tables stand. */
function tablesOf(bytes: Buffer): { offset: number; length: number } {
  const sectors = bytes.readUInt16LE(22) || bytes.readUInt32LE(36);
  return { offset: bytes.readUInt16LE(14) * 512, length: sectors * 512 };
}

t.test('what is not FAT is none', async (t) => {
  const good = fatBytes(t, { kind: 16, sizeBytes: 16 * MIB });
  t.equal(await fatDriver.matches(memorySource(good)), true);
  t.equal(await fatDriver.matches(memorySource(good.subarray(0, 511))), false);
  t.equal(await fatDriver.matches(memorySource(Buffer.alloc(MIB))), false);
  await t.rejects(open(memorySource(Buffer.alloc(MIB))), { code: 'FILESYSTEM_DAMAGED' });
  const changes: readonly (readonly [offset: number, bytes: readonly number[]])[] = [
    [11, [0, 1]],
    [11, [0, 32]],
    [11, [1, 2]],
    [13, [0]],
    [13, [3]],
    [14, [0, 0]],
    [16, [0]],
    [21, [0x42]],
    [19, [9, 0]],
    [22, [0, 0]],
  ];
  for (const [offset, bytes] of changes) {
    const changed = Buffer.from(good);
    changed.set(bytes, offset);
    t.equal(await fatDriver.matches(memorySource(changed)), false, `${bytes.join()} at ${offset}`);
  }
  const unsigned = Buffer.from(good);
  unsigned.writeUInt16LE(0, 510);
  t.equal(await fatDriver.matches(memorySource(unsigned)), true, 'the name of the type will do');
  unsigned.fill(0, 54, 90);
  t.equal(await fatDriver.matches(memorySource(unsigned)), false);
  const tiny = Buffer.from(good);
  tiny.writeUInt16LE(0, 22);
  tiny.writeUInt32LE(0, 36);
  t.equal(await fatDriver.matches(memorySource(tiny)), false, 'FAT32 without tables');
});

t.test('the second table stands in for the first', async (t) => {
  for (const kind of [12, 16, 32] as const) {
    const good = filled(t, kind);
    const expected = await filesystemManifest(await open(memorySource(good)));
    const { offset, length } = tablesOf(good);

    const zeroed = Buffer.from(good);
    zeroed.fill(0, offset, offset + length);
    const fromSecond = await open(memorySource(zeroed));
    t.match(fromSecond.problems, [/first file allocation table is damaged/]);
    sameManifest(t, await filesystemManifest(fromSecond), expected);

    const holed = Buffer.from(good);
    holed.fill(0, offset + 64, offset + length);
    sameManifest(t, await filesystemManifest(await open(memorySource(holed))), expected);

    // In the small ones it shares a unit of the cache with the directories.
    if (kind !== 32) continue;
    const unreadable = await open(damagedSource(good, [{ offset, length: 1 }]));
    sameManifest(t, await filesystemManifest(unreadable), expected);
    const both = damagedSource(good, [{ offset, length: 2 * length }]);
    await t.rejects(async () => filesystemManifest(await open(both)), { code: 'STORE_DAMAGED' });
  }
});

t.test('only the active table of a FAT32 counts', async (t) => {
  const bytes = filled(t, 32);
  const expected = await filesystemManifest(await open(memorySource(bytes)));
  const { offset, length } = tablesOf(bytes);
  bytes.fill(0xff, offset, offset + length);
  bytes.writeUInt16LE(0x81, 40);
  const filesystem = await open(memorySource(bytes));
  t.same(filesystem.problems, []);
  sameManifest(t, await filesystemManifest(filesystem), expected);
  const { freeBlocks, blocks } = await filesystem.usage();
  t.ok(freeBlocks > 0 && freeBlocks < blocks);
  bytes.writeUInt16LE(0x80, 40);
  await t.rejects(async () => filesystemManifest(await open(memorySource(bytes))), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('what was in use or is cut off is said', async (t) => {
  const dirty = [/was mounted when the shadow copy was made/];
  for (const kind of [12, 16, 32] as const) {
    const bytes = fatBytes(t, {
      kind,
      sizeBytes: kind === 32 ? 40 * MIB : kind === 16 ? 16 * MIB : MIB,
      options: ['-n', 'NAME'],
    });
    const { offset } = tablesOf(bytes);
    t.match(await open(memorySource(bytes)), { problems: [], label: 'NAME' });
    t.match((await open(memorySource(bytes.subarray(0, bytes.length - 512)))).problems, [/bytes are|are there/]);
    const flagged = Buffer.from(bytes);
    flagged[kind === 32 ? 65 : 37] = 1;
    t.match((await open(memorySource(flagged))).problems, dirty);
    if (kind === 12) continue;
    flagged[kind === 32 ? 65 : 37] = 0;
    if (kind === 16) flagged.writeUInt16LE(0x7fff, offset + 2);
    else flagged.writeUInt32LE(0x07ffffff, offset + 4);
    t.match((await open(memorySource(flagged))).problems, dirty);
  }
});

t.test('a top directory that breaks off is said, and no label is no error', async (t) => {
  const bytes = fatBytes(t, { kind: 32, sizeBytes: 40 * MIB, clusterSectors: 1 });
  t.equal((await open(memorySource(bytes))).label, '');
  bytes.writeUInt32LE(1, 44);
  const filesystem = await open(memorySource(bytes));
  t.match(filesystem.problems, [/top directory cannot be read to its end/]);
  await t.rejects(filesystem.lookup(filesystem.root, 'a'), { code: 'FILESYSTEM_DAMAGED' });
  bytes.writeUInt32LE(2, 44);
  const { offset, length } = tablesOf(bytes);
  const top = offset + 2 * length;
  for (let slot = 0; slot < 16; slot++) bytes.write('DELETED    ', top + slot * 32);
  for (let slot = 0; slot < 16; slot++) bytes[top + slot * 32] = 0xe5;
  t.match(await open(memorySource(bytes)), { label: '', problems: [] });
});

t.test('no serial number, no uuid', async (t) => {
  const bytes = fatBytes(t, { kind: 12, sizeBytes: MIB, options: ['-i', '0'] });
  bytes.writeUInt32LE(0, 39);
  t.equal((await open(memorySource(bytes))).uuid, '');
});

t.test('a large table is not counted where FSInfo makes sense', async (t) => {
  const image = join(temporaryDirectory(t), 'image');
  makeFatImage(image, { kind: 32, sizeBytes: 640 * MIB, clusterSectors: 1 });
  const source = fileSource(t, image);
  const usage = await (await open(source)).usage();
  const withInfo = (change: (info: Buffer) => void): ByteSource => ({
    ...source,
    read(target, offset) {
      const read = source.read(target, offset);
      if (offset === 512 && target.length === 512) change(Buffer.from(target.buffer, target.byteOffset, 512));
      return read;
    },
  });
  const told = await (await open(withInfo((info) => info.writeUInt32LE(4242, 488)))).usage();
  t.equal(told.freeBlocks, 4242);
  for (const change of [
    (info: Buffer) => info.writeUInt32LE(0xffffffff, 488),
    (info: Buffer) => info.writeUInt32LE(0, 0),
    (info: Buffer) => info.writeUInt32LE(0, 484),
  ]) {
    t.same(await (await open(withInfo(change))).usage(), usage, 'else it is');
  }
  t.equal(usage.blocks - usage.freeBlocks, 1);
});

t.test('usage that could not be read is tried again', async (t) => {
  const bytes = fatBytes(t, { kind: 16, sizeBytes: 16 * MIB });
  const range = { offset: 0, length: 0 };
  const filesystem = await open(damagedSource(bytes, [range]));
  Object.assign(range, tablesOf(bytes));
  await t.rejects(filesystem.usage(), { code: 'STORE_DAMAGED' });
  range.length = 0;
  t.match(await filesystem.usage(), { blockBytes: 2048 });
});

t.test('a damaged chunk in a directory is an error as long as it is damaged', async (t) => {
  const bytes = filled(t, 16);
  const range = { offset: 0, length: 0 };
  const filesystem = await open(damagedSource(bytes, [range]));
  const many = await filesystem.lookup(filesystem.root, 'many');
  Object.assign(range, { offset: 64 * 1024, length: 8 * MIB });
  const id = many?.id ?? 0;
  await t.rejects(filesystem.lookup(id, 'a'), { code: 'STORE_DAMAGED' });
  range.length = 0;
  t.ok(await filesystem.lookup(id, 'one of many files 7.txt'));
});
