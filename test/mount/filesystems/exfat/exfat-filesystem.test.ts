import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { exfatDriver } from '../../../../mount/filesystems/exfat/exfat-driver.js';
import type { FileId, Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { exfatMount, makeExfatImage } from '../../../kit/filesystems/exfat-images.js';
import { damagedSource } from '../../../kit/filesystems/fat-bytes.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const MIB = 1024 * 1024;
const NAMES = ['first', 'Straße 🙂', `${'n'.repeat(254)}z`, 'sparse', 'last'];

async function open(source: ByteSource): Promise<Filesystem> {
  return await exfatDriver.open({ source, cache: new BlockCache(MIB) });
}

/** An image with a few files in a directory of clusters of 512 bytes: 16 entries each. */
function image(t: Test): Buffer {
  made ??= newImage(t);
  return Buffer.from(made);
}

let made: Buffer | undefined;

function newImage(t: Test): Buffer {
  const path = join(temporaryDirectory(t), 'image');
  makeExfatImage(path, { sizeBytes: 4 * MIB, clusterBytes: 512, label: 'odd' });
  const mount = exfatMount(t, path);
  mkdirSync(join(mount.directory, 'd'));
  for (const name of NAMES) writeFileSync(join(mount.directory, 'd', name), `${name}\n`.repeat(400));
  truncateSync(join(mount.directory, 'd', 'sparse'), 4000);
  for (let index = 0; index < 40; index++) writeFileSync(join(mount.directory, 'd', `file ${index}`), `${index}`);
  mount.unmount();
  return readFileSync(path);
}

interface Layout {
  readonly fat: number;
  readonly heap: number;
  readonly root: number;
}

function layoutOf(bytes: Buffer): Layout {
  const heap = bytes.readUInt32LE(88) * 512;
  return { fat: bytes.readUInt32LE(80) * 512, heap, root: heap + (bytes.readUInt32LE(96) - 2) * 512 };
}

async function directory(filesystem: Filesystem): Promise<FileId> {
  return (await filesystem.lookup(filesystem.root, 'd'))?.id ?? 0;
}

async function namesOf(filesystem: Filesystem): Promise<string[]> {
  const names: string[] = [];
  for await (const batch of filesystem.readDirectory(await directory(filesystem)))
    names.push(...batch.map((i) => i.name));
  return names;
}

/** Where the entry of a file in the directory begins. */
async function entryOffset(bytes: Buffer, name: string): Promise<number> {
  const filesystem = await open(memorySource(bytes));
  const item = await filesystem.lookup(await directory(filesystem), name);
  return Math.floor(Number(item?.id ?? 0) / 2) * 32;
}

/** Change a set that lies in one piece, and make its checksum right. */
function changeSet(bytes: Buffer, offset: number, change: (set: Buffer) => void): void {
  const set = bytes.subarray(offset, offset + (bytes.readUInt8(offset + 1) + 1) * 32);
  change(set);
  let sum = 0;
  for (const [at, byte] of set.entries()) {
    if (at !== 2 && at !== 3) sum = (((sum & 1) << 15) + (sum >> 1) + byte) & 0xffff;
  }
  set.writeUInt16LE(sum, 2);
}

t.test('the boot region and its backup', async (t) => {
  const good = image(t);
  t.equal(await exfatDriver.matches(memorySource(good)), true);
  t.match(await open(memorySource(good)), { problems: [], label: 'odd' });
  for (const [offset, value] of [
    [3, 0],
    [108, 8],
    [108, 13],
    [109, 30],
    [110, 0],
    [110, 3],
    [510, 0],
    [84, 0],
  ] as const) {
    const bytes = Buffer.from(good);
    bytes[offset] = value;
    t.equal(await exfatDriver.matches(memorySource(bytes)), false);
    t.equal(await exfatDriver.matchesCopy?.(memorySource(bytes)), true);
    const filesystem = await open(memorySource(bytes));
    t.match(filesystem.problems, [/boot region is damaged: the backup was used/], `${value} at ${offset}`);
    t.equal((await namesOf(filesystem)).length, 45);
  }
  const checksums = Buffer.from(good);
  checksums[200] = 1;
  t.match((await open(memorySource(checksums))).problems, [/the backup was used/]);
  checksums[12 * 512 + 200] = 1;
  t.match((await open(memorySource(checksums))).problems, [/the checksum of its boot region is wrong/]);
  const none = Buffer.from(good);
  none.fill(0, 0, 64 * 512);
  t.equal(await exfatDriver.matches(memorySource(none)), false);
  t.equal(await exfatDriver.matchesCopy?.(memorySource(none)), false);
  await t.rejects(open(memorySource(none)), { code: 'FILESYSTEM_DAMAGED' });
  t.equal(await exfatDriver.matches(memorySource(Buffer.alloc(100))), false);
  t.match((await open(memorySource(good.subarray(0, 3 * MIB)))).problems, [/are there/]);
  t.match((await open(memorySource(good.subarray(0, 600)))).problems, [
    /checksum/,
    /are there/,
    /top directory/,
    /letters/,
  ]);
  const dirty = Buffer.from(good);
  dirty[106] = 2;
  t.match((await open(memorySource(dirty))).problems, [/was mounted/], 'which needs no other checksum');
});

t.test('the second table of TexFAT', async (t) => {
  const bytes = image(t);
  const { fat } = layoutOf(bytes);
  const length = bytes.readUInt32LE(84) * 512;
  const half = Math.floor(length / 1024) * 512;
  // The table has room for two of half its length.
  bytes.copy(bytes, fat + half, fat, fat + half);
  bytes.fill(0xff, fat, fat + half);
  bytes.writeUInt32LE(half / 512, 84);
  bytes[110] = 2;
  bytes[106] = 1;
  // Its checksum is wrong now, and the backup must not be used.
  bytes.fill(0, 12 * 512, 24 * 512);
  const bitmap = layoutOf(bytes).root;
  for (let slot = 0; slot < 3; slot++) if (bytes[bitmap + slot * 32] === 0x81) bytes[bitmap + slot * 32 + 1] = 1;
  const filesystem = await open(memorySource(bytes));
  t.equal((await namesOf(filesystem)).length, 45);
  t.ok((await filesystem.usage()).freeBlocks > 0);
});

t.test('entries in two clusters, and names of every length, are found', async (t) => {
  const filesystem = await open(memorySource(image(t)));
  const d = await directory(filesystem);
  let last = 0;
  for (const name of await namesOf(filesystem)) {
    const item = await filesystem.lookup(d, name);
    t.equal(item?.name, name);
    const stat = await filesystem.stat(item?.id ?? 0);
    t.equal(stat.type, 'file');
    if (name.startsWith('file')) t.equal(stat.sizeBytes, name.length - 5);
    if ((Math.floor(Number(item?.id) / 2) * 32) % 512 === 480) last += 1;
  }
  t.ok(last > 0, `${last} entries stand last in their clusters`);
  t.equal((await filesystem.lookup(d, 'STRASSE 🙂'))?.name, undefined);
  t.equal((await filesystem.lookup(d, 'straße 🙂'))?.name, 'Straße 🙂');
  t.equal((await filesystem.lookup(d, 'first...'))?.name, 'first');
});

t.test('what was never written is zeros', async (t) => {
  const bytes = image(t);
  const offset = await entryOffset(bytes, 'last');
  changeSet(bytes, offset, (set) => set.writeBigUInt64LE(700n, 32 + 8));
  const filesystem = await open(memorySource(bytes));
  const id = (await filesystem.lookup(await directory(filesystem), 'last'))?.id ?? 0;
  const content = Buffer.alloc(2000);
  t.equal(await (await filesystem.open(id)).read(content, 0), 2000);
  t.same(content, Buffer.concat([Buffer.from('last\n'.repeat(140)), Buffer.alloc(1300)]));
  t.equal(await (await filesystem.open(id)).read(content, 1500), 500);
  t.same(content.subarray(0, 500), Buffer.alloc(500));
  const extents = [];
  for await (const { kind, offset: at, length } of filesystem.extents(id)) extents.push({ kind, at, length });
  t.same(extents.at(-1), { kind: 'hole', at: 700, length: 1300 });
  changeSet(bytes, offset, (set) => set.writeBigUInt64LE(99_999n, 32 + 8));
  const more = await open(memorySource(bytes));
  t.equal(await (await more.open(id)).read(content, 0), 2000);
  t.equal(content.toString('latin1', 1995), 'last\n');
});

t.test('a file larger than its volume is damaged', async (t) => {
  const bytes = image(t);
  const offset = await entryOffset(bytes, 'first');
  for (const size of [5n * 1024n * 1024n, 2n ** 63n]) {
    changeSet(bytes, offset, (set) => set.writeBigUInt64LE(size, 32 + 24));
    const filesystem = await open(memorySource(bytes));
    const id = (await filesystem.lookup(await directory(filesystem), 'first'))?.id ?? 0;
    await t.rejects(async () => await filesystem.stat(id), { code: 'FILESYSTEM_DAMAGED' });
  }
});

t.test('sets that are not whole are passed over, a wrong checksum alone is not', async (t) => {
  const good = image(t);
  const offset = await entryOffset(good, 'first');
  const shown = async (change: (set: Buffer) => void, right = false): Promise<string[]> => {
    const bytes = Buffer.from(good);
    if (right) changeSet(bytes, offset, change);
    else change(bytes.subarray(offset));
    return await namesOf(await open(memorySource(bytes)));
  };
  const all = await namesOf(await open(memorySource(good)));
  const others = all.filter((name) => name !== 'first');
  t.same(await shown((set) => (set[2] = ~(set[2] ?? 0))), all, 'the checksum');
  t.same(await shown((set) => set.fill(0x5a, 2, 4).fill(0x5a, 36, 38)), others, 'and the hash of the name');
  t.same(await shown((set) => set.fill(0x5a, 36, 38), true), all, 'the hash alone');
  t.same(await shown((set) => (set[32] = 0xc1), true), others, 'no stream');
  t.same(await shown((set) => (set[64] = 0xe0), true), others, 'no name');
  t.same(await shown((set) => (set[35] = 0), true), others, 'an empty name');
  t.same(await shown((set) => (set[35] = 200), true), others, 'a name that is not all there');
  t.same(await shown((set) => (set[1] = 0)), others, 'too few entries');
  t.same(await shown((set) => (set[1] = 255)), others, 'entries of others');
  t.same(
    await shown((set) => {
      set[35] = 2;
      set.write('.\0.\0', 66);
    }, true),
    others,
    'the name of the parent',
  );
  t.same(
    await shown((set) => {
      set[35] = 1;
      set.write('/\0', 66);
    }, true),
    ['\\x2f', ...others],
  );
});

t.test('entries of vendors belong to a file, unknown ones that matter hide it', async (t) => {
  const good = image(t);
  const offset = await entryOffset(good, 'first');
  const asVendor = async (type: number): Promise<string[]> => {
    const bytes = Buffer.from(good);
    bytes[offset + 1] = 3;
    // What was the next file's first entry is now the last one of this.
    bytes.fill(0, offset + 96, offset + 128);
    bytes[offset + 96] = type;
    changeSet(bytes, offset, () => undefined);
    return (await namesOf(await open(memorySource(bytes)))).slice(0, 2);
  };
  t.same(await asVendor(0xe0), ['first', NAMES[2]]);
  t.same(await asVendor(0x61), ['first', NAMES[2]], 'one that is not in use');
  t.same(await asVendor(0xc5), [NAMES[2], 'sparse']);
});

t.test('the table of capital letters is checked, and the usual one serves', async (t) => {
  const bytes = image(t);
  const { root } = layoutOf(bytes);
  let slot = root;
  while (bytes[slot] !== 0x82) slot += 32;
  const upcase = async (change: (entry: Buffer) => void): Promise<Filesystem> => {
    const copy = Buffer.from(bytes);
    change(copy.subarray(slot, slot + 32));
    return await open(memorySource(copy));
  };
  for (const change of [
    (entry: Buffer) => entry.writeUInt32LE(1, 4),
    (entry: Buffer) => entry.writeBigUInt64LE(2n ** 40n, 24),
    (entry: Buffer) => entry.writeUInt32LE(0, 20),
    (entry: Buffer) => entry.writeUInt8(0x02, 0),
  ]) {
    const filesystem = await upcase(change);
    t.match(filesystem.problems, [/capital letters is damaged/]);
    t.equal((await filesystem.lookup(await directory(filesystem), 'STRAßE 🙂'))?.name, 'Straße 🙂');
  }
});

t.test('usage needs the bitmap', async (t) => {
  const bytes = image(t);
  const { root } = layoutOf(bytes);
  let slot = root;
  while (bytes[slot] !== 0x81) slot += 32;
  const { blocks, freeBlocks } = await (await open(memorySource(bytes))).usage();
  t.ok(freeBlocks > 0 && freeBlocks < blocks);
  const short = Buffer.from(bytes);
  short.writeBigUInt64LE(5n, slot + 24);
  await t.rejects((await open(memorySource(short))).usage(), { code: 'FILESYSTEM_DAMAGED', message: /shorter/ });
  short[slot] = 0x01;
  await t.rejects((await open(memorySource(short))).usage(), { code: 'FILESYSTEM_DAMAGED', message: /no bitmap/ });
});

t.test('times with and without an offset from UTC', async (t) => {
  const bytes = image(t);
  const offset = await entryOffset(bytes, 'first');
  const stamp = (((2024 - 1980) << 25) | (7 << 21) | (15 << 16) | (12 << 11) | (30 << 5) | 22) >>> 0;
  changeSet(bytes, offset, (set) => {
    for (const at of [8, 12, 16]) set.writeUInt32LE(stamp, at);
    set.set([150, 7, 0x80 | 8, 0x80 | 0x78, 0], 20);
  });
  const filesystem = await open(memorySource(bytes));
  const stat = await filesystem.stat((await filesystem.lookup(await directory(filesystem), 'first'))?.id ?? 0);
  const iso = (ns = 0n): string => new Date(Number(ns / 1_000_000n)).toISOString();
  t.equal(iso(stat.birthNs), '2024-07-15T10:30:45.500Z');
  t.equal(iso(stat.mtimeNs), '2024-07-15T14:30:44.070Z');
  t.equal(iso(stat.atimeNs), new Date(2024, 6, 15, 12, 30, 44).toISOString());
});

t.test('what cannot be read is an error', async (t) => {
  const bytes = image(t);
  const offset = await entryOffset(bytes, 'first');
  const unit = Math.floor(offset / 65_536) * 65_536;
  await t.rejects(async () => namesOf(await open(damagedSource(bytes, [{ offset: unit, length: 1 }]))), {
    code: /STORE_DAMAGED|FILESYSTEM_DAMAGED/,
  });
  const { fat } = layoutOf(bytes);
  const broken = Buffer.from(bytes);
  const filesystem = await open(memorySource(broken));
  const items = [];
  for await (const batch of filesystem.readDirectory(await directory(filesystem))) items.push(...batch);
  const last = items.find(({ id }) => (Math.floor(Number(id) / 2) * 32) % 512 === 480 && Number(id) % 2 === 0);
  if (last !== undefined) {
    broken.fill(0, fat + 8, fat + bytes.readUInt32LE(84) * 512);
    await t.rejects(async () => await (await open(memorySource(broken))).stat(last.id), { code: 'FILESYSTEM_DAMAGED' });
  }
});
