import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { Filesystem } from '../../../../../mount/filesystems/filesystem.js';
import { stampChecksum } from '../../../../../mount/filesystems/xfs/checksum.js';
import { Geometry } from '../../../../../mount/filesystems/xfs/geometry.js';
import { parseSuperblock } from '../../../../../mount/filesystems/xfs/superblock.js';
import { patchedSource, type Patch } from '../../../../kit/filesystems/fuzz.js';
import { formatXfs, openXfs } from '../../../../kit/filesystems/xfs-image.js';
import {
  bufferItem,
  inodeCreateItem,
  inodeItem,
  intentItem,
  type LogOperation,
  OPERATION,
  logRecord,
  type LogRecordOptions,
  transaction,
} from '../../../../kit/filesystems/xfs-log-writer.js';
import { temporaryDirectory } from '../../../../kit/temporary.js';
import { join } from 'node:path';

/** Logs that are written by hand, over empty file systems of both versions. */
class Volume {
  readonly bytes: Buffer;
  readonly geometry: Geometry;
  readonly logOffset: number;
  readonly logBlocks: number;
  readonly rootOffset: number;

  constructor(t: Test, mkfs: readonly string[]) {
    const image = join(temporaryDirectory(t), 'xfs.img');
    formatXfs(image, { sizeMib: 64, mkfs });
    this.bytes = readFileSync(image);
    const superblock = parseSuperblock(this.bytes.subarray(0, 512));
    this.geometry = new Geometry(superblock);
    this.logOffset = this.geometry.offsetOf(superblock.logStart);
    this.logBlocks = (superblock.logBlocks * superblock.blockBytes) / 512;
    this.rootOffset = this.geometry.inodeOffset(superblock.rootInode);
  }

  get uuid(): Buffer {
    return this.geometry.superblock.uuid;
  }

  record(operations: readonly LogOperation[], options: Partial<LogRecordOptions> = {}): Buffer {
    return logRecord(operations, { cycle: 1, block: 0, uuid: this.uuid, ...options });
  }

  /** Open it with these bytes at blocks of its log, the rest of which was never written. */
  async open(records: Readonly<Record<number, Buffer>>, rest = 0, others: readonly Patch[] = []): Promise<Filesystem> {
    const log = Buffer.alloc(this.logBlocks * 512);
    for (let at = 0; at < log.length; at += 512) log.writeUInt32BE(rest, at);
    for (const [block, bytes] of Object.entries(records)) bytes.copy(log, Number(block) * 512);
    return await openXfs(patchedSource(this.bytes, [{ offset: this.logOffset, bytes: log }, ...others]));
  }

  /** The core of the root directory as the log has it, with another owner. */
  core(uid: number, change: (core: Buffer) => void = () => undefined): Buffer {
    const disk = this.bytes.subarray(this.rootOffset, this.rootOffset + 176);
    const core = Buffer.alloc(this.geometry.superblock.version === 5 ? 176 : 96);
    disk.copy(core);
    const isV3 = core[4] === 3;
    const bigtime = isV3 && (disk.readUInt32BE(124) & 8) !== 0 ? [8] : [4, 4];
    const first = [2, 2, 1, 1, 2, 4, 4, 4, 2, 2, ...(isV3 ? [8] : [1, 1, 1, 1, 1, 1, 2])];
    const all = [...first, ...bigtime, ...bigtime, ...bigtime, 8, 8, 4, 4, 2, 1, 1, 4, 2, 2, 4];
    swap(core, 0, all);
    if (isV3) swap(core, 104, [8, 8, 8, 4]);
    if (isV3) swap(core, 144, [...bigtime, 8]);
    core.writeUInt32LE(uid, 8);
    change(core);
    return core;
  }

  setOwner(uid: number, change?: (core: Buffer) => void): LogOperation[] {
    return transaction(uid, [inodeItem(this.rootOffset, this.core(uid, change))]);
  }
}

function swap(bytes: Buffer, start: number, sizes: readonly number[]): void {
  let at = start;
  for (const size of sizes) {
    bytes.subarray(at, at + size).reverse();
    at += size;
  }
}

const v5 = new Volume(t, ['-b', 'size=4096']);
const v4 = new Volume(t, ['-m', 'crc=0', '-i', 'size=256']);

async function owner(filesystem: Filesystem): Promise<number> {
  return (await filesystem.stat(filesystem.root)).uid;
}

t.test('one record', async (t) => {
  for (const volume of [v5, v4]) {
    const filesystem = await volume.open({ 0: volume.record(volume.setOwner(77)) });
    t.same(filesystem.journal, { state: 'replayed' });
    t.equal(await owner(filesystem), 77);
    t.equal((await filesystem.stat(filesystem.root)).type, 'directory');
    t.same(filesystem.problems, []);
  }
});

t.test('of version 1', async (t) => {
  const filesystem = await v4.open({ 0: v4.record(v4.setOwner(78), { version: 1, noChecksum: true }) });
  t.equal(await owner(filesystem), 78);
});

t.test('several records in large buffers, with extended headers', async (t) => {
  const filler: LogOperation = { tid: 9, flags: 0, data: Buffer.alloc(70_000) };
  const one = v5.record([...v5.setOwner(1), filler], { size: 131_072 });
  const two = v5.record(v5.setOwner(2), { block: one.length / 512, tailBlock: 0, size: 131_072 });
  t.equal(await owner(await v5.open({ 0: Buffer.concat([one, two]) })), 2);
});

t.test('a transaction over two records, a region over three parts', async (t) => {
  const none = Buffer.alloc(0);
  const [start, header, format, core, commit] = v5.setOwner(5).map((one) => ({ data: none, ...one }));
  if (start === undefined || header === undefined || format === undefined || core === undefined) {
    t.fail('five operations');
    return;
  }
  const part = (from: number, to: number, flags: number): LogOperation => ({
    ...core,
    flags,
    data: core.data.subarray(from, to),
  });
  const first = v5.record([start, header, format, part(0, 50, OPERATION.goesOn)]);
  const end = commit === undefined ? [] : [commit];
  const middle = part(50, 100, OPERATION.continues | OPERATION.goesOn);
  const second = v5.record([middle, part(100, 176, OPERATION.continues | 0x10), ...end], {
    block: first.length / 512,
    tailBlock: 0,
  });
  t.equal(await owner(await v5.open({ 0: Buffer.concat([first, second]) })), 5);
  // A header that is cut, and a commit that never comes.
  const [, , ...others] = v5.setOwner(6);
  const cut = v5.record([
    { tid: 6, flags: OPERATION.start },
    { tid: 6, flags: OPERATION.goesOn, data: header.data.subarray(0, 8) },
    { tid: 6, flags: OPERATION.continues, data: header.data.subarray(8) },
    ...others,
    ...v5.setOwner(7).slice(0, -1),
  ]);
  t.equal(await owner(await v5.open({ 0: cut })), 6);
});

t.test('a log that wraps, whatever the place of its head', async (t) => {
  for (const block of [v5.logBlocks - 1, v5.logBlocks - 2, v5.logBlocks - 3]) {
    const first = v5.record(v5.setOwner(11), { cycle: 3, block });
    const wrapped = Buffer.from(first);
    // The part behind the end has the next cycle, and the checksum is of that.
    const rest = (v5.logBlocks - block) * 512;
    for (let at = rest; at < wrapped.length; at += 512) wrapped.writeUInt32BE(at === 0 ? 0xfeedbabe : 4, at);
    const isWhole = rest >= first.length;
    const operations = v5.setOwner(11);
    const record = isWhole ? first : restamped(wrapped, operations.length);
    const records = isWhole ? { [block]: record } : { [block]: record.subarray(0, rest), 0: record.subarray(rest) };
    const filesystem = await v5.open(records, 3);
    t.equal(await owner(filesystem), 11, `from block ${block}`);
  }
});

/** With the checksum that belongs to what stands there. */
function restamped(record: Buffer, operations: number): Buffer {
  record.writeUInt32BE(operations, 40);
  // Without one it is not checked at the head; in the stream version 5 must have one.
  record.writeUInt32LE(0, 32);
  return record;
}

t.test('buffers', async (t) => {
  const at = v5.geometry.offsetOf(3000);
  const pieces = Buffer.alloc(256, 'p');
  const read = async (items: readonly (readonly Buffer[])[]): Promise<Buffer> => {
    const filesystem = await v5.open({ 0: v5.record(transaction(1, items)) });
    t.same(filesystem.journal, { state: 'replayed' });
    return pieces;
  };
  await read([bufferItem(at / 512, 8, pieces)]);
  await read([bufferItem(at / 512, 8, pieces), bufferItem(at / 512, 8, Buffer.alloc(0), 2)]);
  await read([bufferItem(at / 512, 8, pieces, 1), bufferItem(at / 512, 8, pieces, 4)]);
});

t.test('a cancelled buffer is not replayed, one that comes after is', async (t) => {
  const sector = v5.rootOffset / 512;
  const other = Buffer.from(v5.bytes.subarray(v5.rootOffset, v5.rootOffset + 256));
  const damagedOne = Buffer.alloc(128, 0xff);
  const cancelled = await v5.open({
    0: v5.record([
      ...transaction(1, [bufferItem(sector, 1, damagedOne)]),
      ...transaction(2, [bufferItem(sector, 1, Buffer.alloc(0), 2)]),
      ...transaction(3, [bufferItem(sector, 1, other)]),
    ]),
  });
  t.equal((await cancelled.stat(cancelled.root)).type, 'directory');
  const replayed = await v5.open({ 0: v5.record(transaction(1, [bufferItem(sector, 1, damagedOne)])) });
  await t.rejects(async () => await replayed.stat(replayed.root), { code: 'FILESYSTEM_DAMAGED' });
  const inode = await v5.open({
    0: v5.record([
      ...v5.setOwner(3),
      ...transaction(2, [bufferItem(Math.floor(v5.rootOffset / 4096) * 8, 8, Buffer.alloc(0), 2)]),
    ]),
  });
  t.equal(await owner(inode), 0);
});

t.test('what is newer on the volume stays', async (t) => {
  const old = v5.record(v5.setOwner(21));
  const lsn = Buffer.alloc(8);
  lsn.writeBigUInt64BE(2n ** 32n * 5n);
  const inode = Buffer.from(v5.bytes.subarray(v5.rootOffset, v5.rootOffset + 512));
  lsn.copy(inode, 112);
  stampChecksum(inode, 100);
  t.equal(await owner(await v5.open({ 0: old }, 0, [{ offset: v5.rootOffset, bytes: inode }])), 0);
  // Before version 5 a counter says it, which may have begun anew.
  const counted = (value: number): Patch => ({
    offset: v4.rootOffset + 30,
    bytes: Buffer.of(value >> 8, value & 0xff),
  });
  const logged = v4.record(v4.setOwner(22, (core) => core.writeUInt16LE(5, 30)));
  t.equal(await owner(await v4.open({ 0: logged }, 0, [counted(6)])), 0);
  t.equal(await owner(await v4.open({ 0: logged }, 0, [counted(5)])), 22);
  t.equal(await owner(await v4.open({ 0: logged }, 0, [counted(0xffff)])), 22);
});

t.test('an unmount, and nothing at all, are clean', async (t) => {
  const unmount = v5.record([{ tid: 1, flags: OPERATION.unmount, data: Buffer.from('6e55000000000000', 'hex') }]);
  t.same((await v5.open({ 0: unmount })).journal, { state: 'clean' });
  t.same((await v5.open({})).journal, { state: 'clean' });
  const before = v5.record(v5.setOwner(4));
  const after = v5.record([{ tid: 1, flags: OPERATION.unmount }], { block: before.length / 512 });
  t.same((await v5.open({ 0: Buffer.concat([before, after]) })).journal, { state: 'clean' });
});

t.test('a torn end is left out', async (t) => {
  const one = v5.record(v5.setOwner(1));
  const two = v5.record(v5.setOwner(2), { block: one.length / 512, tailBlock: 0 });
  const torn = Buffer.from(two);
  torn[700] = (torn[700] ?? 0) ^ 1;
  t.equal(await owner(await v5.open({ 0: Buffer.concat([one, torn]) })), 1, 'a wrong checksum');
  const missing = Buffer.from(two);
  missing.fill(0, 0, 512);
  t.equal(await owner(await v5.open({ 0: Buffer.concat([one, missing]) })), 1, 'a block that was not written');
  t.equal(await owner(await v5.open({ 0: Buffer.concat([one, two.subarray(0, 512)]) })), 1, 'a record that is cut off');
});

t.test('intents that nothing finished are said', async (t) => {
  const filesystem = await v5.open({
    0: v5.record(
      transaction(1, [
        intentItem(0x1244, 1),
        intentItem(0x1244, 2),
        intentItem(0x1245, 1),
        intentItem(0x1248, 9),
        intentItem(0x1236, 3),
        [Buffer.of(0x46, 0x12, 1, 0)],
      ]),
    ),
  });
  t.match(filesystem.problems, [/1 unfinished changes of the blocks of files/, /1 unfinished exchanges/]);
});

t.test('new inodes', async (t) => {
  const { superblock } = v5.geometry;
  const fields = { group: 1, block: 1000, inodes: 64, inodeBytes: superblock.inodeBytes, blocks: 8 };
  const number = (2 ** superblock.agBlockLog + 1000) * 2 ** superblock.inodesPerBlockLog;
  const filesystem = await v5.open({ 0: v5.record(transaction(1, [inodeCreateItem(fields)])) });
  await t.rejects(async () => await filesystem.stat(number), { message: /not in use/ });
  await t.rejects(async () => await filesystem.stat(number + 64), { message: /no inode/ });
  const cluster = v5.geometry.groupOffset(1) / 512 + 8000;
  const length = (8192 * superblock.inodeBytes) / 256 / 512;
  const cancel = [bufferItem(cluster, length, Buffer.alloc(0), 2), bufferItem(cluster, 16, Buffer.alloc(0), 2)];
  const cancelled = await v5.open({ 0: v5.record(transaction(1, [inodeCreateItem(fields), ...cancel])) });
  await t.rejects(async () => await cancelled.stat(number), { message: /no inode/ });
  for (const wrong of [
    { group: 99 },
    { block: 0 },
    { block: 10_000_000 },
    { inodes: 63 },
    { inodes: 6400, blocks: 800 },
    { inodeBytes: 99 },
  ]) {
    const item = inodeCreateItem({ ...fields, ...wrong });
    t.match((await v5.open({ 0: v5.record(transaction(1, [item])) })).journal, {
      state: 'ignored',
      reason: /new inodes/,
    });
  }
});

t.test('a log that makes no sense is left alone', async (t) => {
  const ignored = async (filesystem: Promise<Filesystem>, reason: RegExp): Promise<void> => {
    const { journal, problems, root } = await filesystem;
    t.match(journal, { state: 'ignored', reason });
    t.match(problems.at(-1) ?? '', reason);
    t.equal((await (await filesystem).stat(root)).uid, 0, 'nothing of it shows');
  };
  const first = v5.record(v5.setOwner(1));
  const block = first.length / 512;
  const withItems = (items: readonly (readonly Buffer[])[]): Promise<Filesystem> =>
    v5.open({ 0: v5.record([...v5.setOwner(1), ...transaction(2, items)]) });
  const core = v5.core(1);
  await ignored(withItems([intentItem(0x9999, 1)]), /unknown type 0x9999/);
  await ignored(withItems([bufferItem(2 ** 40, 8, Buffer.alloc(128))]), /outside/);
  await ignored(withItems([bufferItem(8, 300, Buffer.alloc(128))]), /300 blocks/);
  await ignored(withItems([bufferItem(8, 1, Buffer.alloc(640))]), /outside of its buffer/);
  await ignored(withItems([[Buffer.of(0x3c, 0x12, 1, 0)]]), /cut off/);
  await ignored(withItems([inodeItem(v5.rootOffset + 64, core)]), /out of place/);
  await ignored(withItems([inodeItem(40_000_000, core)]), /where none is/);
  await ignored(withItems([inodeItem(v5.rootOffset, Buffer.alloc(176))]), /that is none/);
  await ignored(withItems([inodeItem(v5.rootOffset, core, 3, [Buffer.alloc(600)])]), /larger than the inode/);
  await ignored(withItems([inodeItem(v5.rootOffset, core, 3)]), /no fork/);
  await ignored(withItems([inodeItem(v5.rootOffset, core, 9, [Buffer.alloc(72, 0xff)])]), /too large/);
  await ignored(withItems([inodeItem(v5.rootOffset, core.subarray(0, 90))]), /cut off/);
  await ignored(withItems([[Buffer.of(0x3b, 0x12, 2, 0)]]), /not whole/);
  await ignored(withItems([[Buffer.of(1)]]), /impossible size/);
  await ignored(v5.open({ 0: v5.record(transaction(1, [[Buffer.of(0x3b, 0x12, 1, 0)]])) }), /cut off|no description/);
  const noHeader = [...transaction(3, []).slice(0, 1), { tid: 3, flags: 0, data: Buffer.alloc(16) }];
  await ignored(v5.open({ 0: v5.record(noHeader) }), /no header/);
  const many = Array.from({ length: 70 }, (_, tid) => ({ tid, flags: OPERATION.start }));
  await ignored(v5.open({ 0: v5.record(many) }), /too many transactions/);
  const cut = v5.record([{ tid: 1, flags: 1, data: Buffer.alloc(900) }]);
  cut.writeUInt32BE(5000, 516);
  cut.writeUInt32LE(0, 32);
  await ignored(v4.open({ 0: logRecordFor(v4, cut) }), /operation of the log is cut off/);
  const other = v5.record(v5.setOwner(1), { uuid: Buffer.alloc(16, 1) });
  await ignored(v5.open({ 0: other }), /another file system/);
  const bigEndian = v5.record(v5.setOwner(1), { noChecksum: true });
  bigEndian.writeUInt32BE(2, 300);
  await ignored(v5.open({ 0: bigEndian }), /big-endian/);
  const noTail = v5.record(v5.setOwner(1), { block, tailBlock: 1 });
  await ignored(v5.open({ 0: Buffer.concat([first, noTail]) }), /no record at block 1/);
  await ignored(v5.open({ 0: v5.record(v5.setOwner(1), { tailBlock: 2 ** 31 }) }), /outside of itself/);
  const junk = Buffer.alloc(512 * 8);
  for (let at = 0; at < junk.length; at += 512) junk.writeUInt32BE(1, at);
  await ignored(v5.open({ 0: junk }), /no record at its head/);
  await ignored(v5.open({ 0: junk }, 9), /impossible cycle/);
});

/** A record of another volume, made one of this. */
function logRecordFor(volume: Volume, record: Buffer): Buffer {
  const own = Buffer.from(record);
  volume.uuid.copy(own, 304);
  return own;
}

t.test('devices and roots of trees of extents', async (t) => {
  const core = v5.core(0, (bytes) => {
    bytes.writeUInt16LE(0o020666, 2);
    bytes.writeUInt8(0, 5);
  });
  const device = await v5.open({
    0: v5.record(transaction(1, [inodeItem(v5.rootOffset, core, 0x11, [], (1 << 18) | 3)])),
  });
  t.match(await device.stat(device.root), { type: 'character-device', device: { major: 1, minor: 3 } });
});

t.test('a buffer without a block', async (t) => {
  for (const volume of [v5, v4]) {
    const operations = transaction(1, [bufferItem(0, 0, Buffer.alloc(0))]);
    const filesystem = await volume.open({ 0: volume.record(operations) });
    t.match(filesystem.journal, { state: 'ignored', reason: /buffer of 0 blocks/ });
  }
});
