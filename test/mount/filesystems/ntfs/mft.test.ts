import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { Geometry } from '../../../../mount/filesystems/ntfs/boot-sector.js';
import type { NtfsCore } from '../../../../mount/filesystems/ntfs/core.js';
import { Inode } from '../../../../mount/filesystems/ntfs/inode.js';
import { Mft } from '../../../../mount/filesystems/ntfs/mft.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { attribute, fileRecord, listEntry, type Runs } from '../../../kit/filesystems/ntfs-records.js';

const LIST = 0x20;
const DATA = 0x80;

/** Clusters of half a record, and a mirror at the end. */
const GEOMETRY: Geometry = {
  sectorBytes: 512,
  clusterBytes: 512,
  clusters: 400,
  sizeBytes: 400 * 512,
  mftCluster: 10,
  mirrorCluster: 300,
  recordBytes: 1024,
  serial: 0n,
};

interface TableOptions {
  readonly runs: Runs;
  readonly records: number;
  readonly list?: Buffer;
}

/** `$MFT`'s own record. */
function tableRecord({ runs, records, list }: TableOptions): Buffer {
  const sizeBytes = records * 1024;
  const data = attribute({ type: DATA, instance: 3, runs, sizeBytes });
  return fileRecord({ attributes: list === undefined ? [data] : [attribute({ type: LIST, value: list }), data] });
}

async function openMft(volume: Buffer): Promise<{ mft: Mft; core: NtfsCore }> {
  const source = memorySource(volume);
  const reader = new BlockCache(1024 * 1024).reader(source);
  const mft = await Mft.open(reader, GEOMETRY);
  return { mft, core: { source, reader, geometry: GEOMETRY, mft } };
}

function file(value: string): Buffer {
  return fileRecord({ attributes: [attribute({ type: DATA, value: Buffer.from(value) })] });
}

t.test('records in clusters that do not stand together', async (t) => {
  const volume = Buffer.alloc(GEOMETRY.sizeBytes);
  // Records 0, 1 and half of 2; the other half; record 3.
  tableRecord({
    runs: [
      [5, 10],
      [1, 100],
      [2, 50],
    ],
    records: 4,
  }).copy(volume, 10 * 512);
  file('one').copy(volume, 12 * 512);
  const two = file('two');
  two.copy(volume, 14 * 512, 0, 512);
  two.copy(volume, 100 * 512, 512);
  file('three').copy(volume, 50 * 512);
  const { mft } = await openMft(volume);
  t.equal(mft.records, 4);
  for (const [number, value] of ['one', 'two', 'three'].entries()) {
    t.equal((await mft.record(number + 1)).attributes[0]?.value?.toString(), value);
  }
  await t.rejects(mft.record(4), { code: 'FILESYSTEM_DAMAGED', message: 'there is no file record 4' });
  t.same(mft.problems, []);
});

t.test('a table whose runs stand in several records, with its list in a cluster', async (t) => {
  const volume = Buffer.alloc(GEOMETRY.sizeBytes);
  const list = Buffer.concat([listEntry(DATA, 0, 0, 3), listEntry(DATA, 8, 3, 5), listEntry(DATA, 12, 5, 6)]);
  list.copy(volume, 200 * 512);
  const data = attribute({ type: DATA, instance: 3, runs: [[8, 10]], sizeBytes: 8 * 1024 });
  const listAttribute = attribute({ type: LIST, runs: [[1, 200]], sizeBytes: list.length });
  fileRecord({ attributes: [listAttribute, data] }).copy(volume, 10 * 512);
  const part = (lowestVcn: number, instance: number, runs: Runs): Buffer =>
    fileRecord({ attributes: [attribute({ type: DATA, instance, runs, lowestVcn })], base: 0 });
  part(8, 5, [[4, 60]]).copy(volume, 16 * 512);
  // Record 5 is in the part that record 3 is for.
  part(12, 6, [[4, 80]]).copy(volume, 62 * 512);
  file('seven').copy(volume, 82 * 512);
  const { mft } = await openMft(volume);
  t.equal(mft.records, 8);
  t.equal((await mft.record(7)).attributes[0]?.value?.toString(), 'seven');
  // Without the last part what it is for is missing, and nothing else.
  volume.fill(0, 62 * 512, 64 * 512);
  const less = (await openMft(volume)).mft;
  t.equal(less.records, 6);
  t.match(less.problems[0], /a part of the list of files/);
  file('not a part').copy(volume, 62 * 512);
  t.match((await openMft(volume)).mft.problems[0], /file record 5 is no part of \$MFT/);
});

t.test('the mirror stands in for the first records', async (t) => {
  const volume = Buffer.alloc(GEOMETRY.sizeBytes);
  const table = tableRecord({ runs: [[16, 10]], records: 8 });
  table.copy(volume, 300 * 512);
  file('three').copy(volume, 306 * 512);
  const { mft } = await openMft(volume);
  t.equal((await mft.record(3)).attributes[0]?.value?.toString(), 'three');
  t.equal((await mft.record(3)).number, 3);
  t.same(mft.problems, [
    'file record 0 was read from its copy: file record 0 is none',
    'file record 3 was read from its copy: file record 3 is none',
  ]);
  await t.rejects(mft.record(2), { code: 'FILESYSTEM_DAMAGED', message: 'file record 2 is none' });
  await t.rejects(mft.record(4), { code: 'FILESYSTEM_DAMAGED' });
  await t.rejects(openMft(Buffer.alloc(GEOMETRY.sizeBytes)), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('records that are no files, or whose parts are not', async (t) => {
  const volume = Buffer.alloc(GEOMETRY.sizeBytes);
  const put = (number: number, record: Buffer): void => {
    record.copy(volume, (10 + 2 * number) * 512);
  };
  put(0, tableRecord({ runs: [[16, 10]], records: 20 }));
  put(1, fileRecord({ attributes: [], flags: 0 }));
  put(2, fileRecord({ attributes: [attribute({ type: DATA, value: Buffer.alloc(0), instance: 9 })], base: 5 }));
  const list = (entries: readonly Buffer[]): Buffer =>
    fileRecord({ attributes: [attribute({ type: LIST, value: Buffer.concat(entries) })] });
  put(3, list([listEntry(DATA, 0, 2, 9)]));
  put(5, list([listEntry(DATA, 0, 2, 8)]));
  put(6, list([Buffer.alloc(32)]));
  const torn = file('torn');
  torn.writeUInt16LE(0, 1022);
  put(4, torn);
  const { core, mft } = await openMft(volume);
  t.same(mft.problems, ['a part of the list of files ($MFT) is missing']);
  await t.rejects(Inode.loadRecord(core, 1), { message: 'file record 1 is not in use' });
  await t.rejects(Inode.loadRecord(core, 2), { message: 'file record 2 is a part of another file' });
  await t.rejects((await Inode.loadRecord(core, 3)).first(DATA), { message: 'file record 2 is no part of file 3' });
  await t.rejects((await Inode.loadRecord(core, 5)).parts(DATA, ''), { message: /has not what the file's list says/ });
  await t.rejects(Inode.loadRecord(core, 6), { message: 'a list of attributes makes no sense' });
  await t.rejects(Inode.loadRecord(core, 4), { message: 'file record 4 was written only in part' });
  await t.rejects(Inode.load(core, 2 ** 32 * 6 + 3), { message: "file record 3 is another file's by now" });
});
