import t from 'tap';
import type { BlockDevice } from '../../../mount/disk/block-device.js';
import { discover } from '../../../mount/disk/discover.js';
import { writeMdSuperblock } from '../../kit/disk/md.js';
import { writeBootRecord, writeGpt } from '../../kit/disk/tables.js';
import { memorySource } from '../../kit/filesystems/sources.js';

const MIB = 1024 * 1024;
const LINUX = 0x83;
const EXTENDED = 5;

async function found(image: Buffer): Promise<readonly BlockDevice[]> {
  return await discover([{ name: 'vda', source: memorySource(image) }]);
}

/** Names, where they begin in sectors, and what is wrong. */
async function inShort(image: Buffer): Promise<unknown[]> {
  return (await found(image)).map(({ name, origin, problems }) => [
    name,
    origin.kind === 'partition' ? origin.startBytes / 512 : undefined,
    ...problems,
  ]);
}

t.test('a table without partitions', async (t) => {
  const image = Buffer.alloc(MIB);
  writeBootRecord(image, 0, [{ type: 0xee, start: 1, sectors: 2047 }]);
  writeGpt(image, []);
  const [device, ...more] = await found(image);
  t.same(more, []);
  t.match(device, { name: 'vda', unreadable: { what: /and no partitions$/ }, problems: [], source: { sizeBytes: 0 } });
  writeBootRecord(image, 0, []);
  image.fill(0, 512);
  t.match(
    await found(image),
    [{ name: 'vda', unreadable: undefined, source: { sizeBytes: MIB } }],
    'an MBR is no proof',
  );
});

t.test('an image of a CD for USB sticks is shown whole and in partitions', async (t) => {
  const image = Buffer.alloc(MIB);
  writeBootRecord(image, 0, [{ type: 0x17, start: 4, sectors: 1000 }]);
  image.write('CD001', 32_769);
  t.same(await inShort(image), [
    ['vda', undefined],
    ['vda1', 4],
  ]);
});

t.test('partitions that overlap, or are not on the disk', async (t) => {
  const image = Buffer.alloc(MIB);
  writeBootRecord(image, 0, [
    { type: LINUX, start: 1000, sectors: 900 },
    { type: LINUX, start: 100, sectors: 901 },
    { type: LINUX, start: 1950, sectors: 100 },
    { type: LINUX, start: 2048, sectors: 100 },
  ]);
  t.same(await inShort(image), [
    ['vda1', 1000, 'it overlaps with vda2'],
    ['vda2', 100],
    ['vda3', 1950, 'it ends 1024 bytes after the end of vda; what is there is shown'],
    ['vda4', 2048, 'it overlaps with vda3'],
  ]);
  const devices = await found(image);
  t.equal(devices[2]?.source.sizeBytes, 98 * 512);
  t.match(devices[3], { source: { sizeBytes: 0 }, unreadable: { what: /begins after the end of vda/ } });
  const inside = Buffer.alloc(MIB);
  writeBootRecord(inside, 0, [
    { type: LINUX, start: 100, sectors: 1000 },
    { type: LINUX, start: 200, sectors: 10 },
    { type: LINUX, start: 300, sectors: 10 },
  ]);
  t.same(await inShort(inside), [
    ['vda1', 100],
    ['vda2', 200, 'it overlaps with vda1'],
    ['vda3', 300, 'it overlaps with vda1'],
  ]);
});

t.test('a GPT without its protective MBR', async (t) => {
  const image = Buffer.alloc(MIB);
  writeGpt(image, [100, 200]);
  t.same(await inShort(image), [
    ['vda1', 100, 'the protective MBR before the GPT is gone'],
    ['vda2', 200],
  ]);
  image.write('XFSB');
  t.match(await found(image), [{ name: 'vda', unreadable: undefined }], 'a file system was made over it');
  image.fill(0, 0, 4).fill(1, 528, 532);
  t.match(await found(image), [{ name: 'vda', unreadable: { what: /can't be used: its checksum is wrong/ } }]);
});

t.test('a protective MBR without its GPT', async (t) => {
  const image = Buffer.alloc(MIB);
  writeBootRecord(image, 0, [{ type: 0xee, start: 1, sectors: 2047 }]);
  t.match(await found(image), [{ unreadable: { what: /neither of its copies is there/, hint: /testdisk/ } }]);
  writeBootRecord(image, 0, [
    { type: 0xee, start: 1, sectors: 99 },
    { type: LINUX, start: 100, sectors: 10 },
  ]);
  t.same(await inShort(image), [['vda2', 100]]);
});

t.test('headers of GPTs that make no sense', async (t) => {
  const why = async (change: (header: Buffer) => void): Promise<string | undefined> => {
    const image = Buffer.alloc(MIB);
    writeBootRecord(image, 0, [{ type: 0xee, start: 1, sectors: 2047 }]);
    writeGpt(image, [100], change);
    return (await found(image))[0]?.unreadable?.what;
  };
  t.match(await why((header) => header.writeUInt32LE(1000, 12)), /its length makes no sense/);
  t.match(await why((header) => header.writeBigUInt64LE(2n, 24)), /it stands in the wrong place/);
  t.match(await why((header) => header.writeUInt32LE(64, 84)), /it has 1 entries of 64 bytes/);
  t.match(await why((header) => header.writeUInt32LE(0xffff_ffff, 80)), /it has 4294967295 entries of 128 bytes/);
  t.match(await why((header) => header.writeBigUInt64LE(5000n, 72)), /its entries lie outside of the disk/);
  t.match(await why((header) => header.writeBigUInt64LE(2n ** 63n, 72)), /its entries lie outside of the disk/);
});

t.test('as many partitions as Linux shows', async (t) => {
  const image = Buffer.alloc(MIB);
  writeBootRecord(image, 0, [{ type: 0xee, start: 1, sectors: 2047 }]);
  writeGpt(
    image,
    Array.from({ length: 300 }, (_, index) => 400 + index),
  );
  const devices = await inShort(image);
  t.equal(devices.length, 256);
  t.same(devices[0], ['vda1', 400, 'of 300 partitions the first 256 are shown']);
  t.same(devices[255], ['vda256', 655]);
});

/** A disk with an extended partition from sector 100 on; each of its records as it is given, by its sector. */
function chain(records: Readonly<Record<number, Parameters<typeof writeBootRecord>[2]>>): Buffer {
  const image = Buffer.alloc(MIB);
  writeBootRecord(image, 0, [{ type: EXTENDED, start: 100, sectors: 1900 }]);
  for (const [at, entries] of Object.entries(records)) writeBootRecord(image, Number(at), entries);
  return image;
}

t.test('chains of logical partitions that break off', async (t) => {
  const first = [
    { type: LINUX, start: 5, sectors: 20 },
    { type: EXTENDED, start: 50, sectors: 100 },
  ];
  t.same(await inShort(chain({ 100: first })), [
    ['vda5', 105, 'the chain of logical partitions is broken; the 1 before that are shown'],
  ]);
  t.same(await inShort(chain({ 100: first, 150: [{ type: EXTENDED, start: 0, sectors: 50 }] })), [
    ['vda5', 105, 'the chain of logical partitions leads back to itself; the 1 before that are shown'],
  ]);
  const empty = Object.fromEntries(
    Array.from({ length: 150 }, (_, index) => [150 + index, [{ type: EXTENDED, start: 51 + index, sectors: 10 }]]),
  );
  t.same(await inShort(chain({ 100: first, ...empty })), [
    ['vda5', 105, 'the chain of logical partitions is too long; the 1 before that are shown'],
  ]);
  const long = Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [
      100 + index * 2,
      [
        { type: LINUX, start: 1, sectors: 1 },
        { type: EXTENDED, start: index * 2 + 2, sectors: 2 },
      ],
    ]),
  );
  const devices = await inShort(chain(long));
  t.equal(devices.length, 256);
  t.same(devices[0], ['vda5', 101, 'the chain of logical partitions is too long; the 256 before that are shown']);
});

t.test('the third and fourth entry of a logical record count where they lie inside', async (t) => {
  const record = (start: number, sectors: number): Buffer =>
    chain({
      100: [
        { type: LINUX, start: 5, sectors: 20 },
        { type: LINUX, start, sectors, index: 2 },
        { type: LINUX, start: 30, sectors: 0, index: 3 },
      ],
    });
  t.same(await inShort(record(40, 10)), [
    ['vda5', 105],
    ['vda6', 140],
  ]);
  t.same(await inShort(record(40, 1900)), [['vda5', 105]]);
  t.same(await inShort(record(5000, 10)), [['vda5', 105]]);
});

t.test('arrays inside of arrays are looked into three deep', async (t) => {
  let image = Buffer.alloc(2 * MIB);
  for (let depth = 1; depth <= 4; depth++) {
    const outer = Buffer.alloc(image.length + MIB);
    image.copy(outer, MIB);
    const name = `depth${depth}`;
    writeMdSuperblock(outer, { level: 1, members: 1, role: 0, usedSectors: image.length / 512, array: depth, name });
    image = outer;
    const [device, ...more] = await found(image);
    t.same(more, []);
    if (depth < 4) t.match(device, { name: 'md-depth1', unreadable: undefined, source: { sizeBytes: 2 * MIB } });
    else t.match(device, { name: 'md-depth2', unreadable: { what: /inside of another one/, hint: /no deeper/ } });
  }
});

t.test('a superblock from before there were partitions does not count', async (t) => {
  const image = Buffer.alloc(2 * MIB);
  writeBootRecord(image, 0, [{ type: LINUX, start: 1000, sectors: 1000 }]);
  writeMdSuperblock(image, { level: 1, members: 1, role: 0, usedSectors: 2048 });
  t.match(await found(image), [{ name: 'md-data' }], 'there is nothing in the partition');
  image.write('XFSB', 1000 * 512);
  t.match(await found(image), [{ name: 'vda1' }]);
});
