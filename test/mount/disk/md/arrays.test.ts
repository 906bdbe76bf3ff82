import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { BlockDevice } from '../../../../mount/disk/block-device.js';
import { discover } from '../../../../mount/disk/discover.js';
import { readMdSuperblock } from '../../../../mount/disk/md/superblock.js';
import { Probe } from '../../../../mount/disk/probe.js';
import { DATA_SECTORS_AT, type MdMemberSpec, writeMdSuperblock, writeMdSuperblock090 } from '../../../kit/disk/md.js';
import { sfdisk, sparseFile } from '../../../kit/disk/partitioned.js';
import { corpusImage, corpusTest } from '../../../kit/filesystems/corpus.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { loopDevice } from '../../../kit/loop-device.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { readFileSync } from 'node:fs';

const MIB = 1024 * 1024;
const CHUNK_SECTORS = 8;

/** Members of 2 MiB; each chunk of the data bears the number of the member and its row. */
function members(
  count: number,
  spec: Omit<MdMemberSpec, 'role' | 'members' | 'usedSectors'>,
  usedSectors = 2048,
): Buffer[] {
  return Array.from({ length: count }, (_, role) => {
    const image = Buffer.alloc(2 * MIB);
    const start = spec.version === '1.0' ? 0 : DATA_SECTORS_AT * 512;
    for (let row = 0; start + (row + 1) * 4096 <= image.length - 65_536; row++)
      image.writeUInt32LE(role * 1000 + row, start + row * 4096);
    writeMdSuperblock(image, { chunkSectors: CHUNK_SECTORS, ...spec, members: count, role, usedSectors });
    return image;
  });
}

async function arraysIn(images: readonly (Buffer | undefined)[]): Promise<readonly BlockDevice[]> {
  const volumes = images.map((image, index) => ({ name: `vd${String.fromCharCode(97 + index)}`, image }));
  return await discover(
    volumes.flatMap(({ name, image }) => (image ? [{ name, source: memorySource(image, name) }] : [])),
  );
}

/** The stamps of the first chunks. */
async function chunks(device: BlockDevice | undefined, count: number): Promise<number[]> {
  const bytes = Buffer.alloc(count * 4096);
  if ((await device?.source.read(bytes, 0)) !== bytes.length) throw new Error(device?.unreadable?.what ?? 'short');
  return Array.from({ length: count }, (_, index) => bytes.readUInt32LE(index * 4096));
}

t.test('the levels, chunk by chunk', async (t) => {
  const cases: readonly (readonly [string, number, number, number, readonly number[]])[] = [
    ['raid0', 3, 0, 0, [0, 1000, 2000, 1, 1001, 2001]],
    ['raid1', 2, 1, 0, [0, 1, 2, 3, 4, 5]],
    ['raid4', 3, 4, 0, [0, 1000, 1, 1001, 2, 1002]],
    ['raid5', 3, 5, 2, [0, 1000, 2001, 1, 1002, 2002]],
    ['raid6', 4, 6, 2, [1000, 2000, 1, 1001, 3002, 2]],
    ['raid10', 4, 10, 0x102, [0, 2000, 1, 2001, 2, 2002]],
    ['raid10', 3, 10, 0x102, [0, 2000, 1001, 2, 2002, 1003]],
    ['raid10', 3, 10, 0x201, [0, 1000, 2000, 1, 1001, 2001]],
    ['raid10', 3, 10, 0x10201, [0, 1000, 2000, 2, 1002, 2002]],
  ];
  for (const [name, count, level, layout, expected] of cases) {
    const [array, ...others] = await arraysIn(members(count, { level, layout }));
    t.match(array, { name: 'md-data', origin: { kind: 'md-array', level: name }, problems: [] });
    t.same(others, []);
    t.same(await chunks(array, 6), expected, `${name}, layout ${layout}`);
  }
  const linear = await arraysIn(members(2, { level: -1 }, 0));
  t.equal(linear[0]?.source.sizeBytes, 2 * MIB);
  t.same((await chunks(linear[0], 512)).slice(255, 258), [0, 1000, 1001], 'the last chunk bears no stamp');
});

t.test('missing members', async (t) => {
  const far = members(3, { level: 10, layout: 0x201 });
  t.same(await chunks((await arraysIn([undefined, ...far.slice(1)]))[0], 3), [1128, 1000, 2000]);
  const offset = members(3, { level: 10, layout: 0x10201 });
  t.same(await chunks((await arraysIn([undefined, ...offset.slice(1)]))[0], 3), [1001, 1000, 2000]);
  const raid5 = members(3, { level: 5, layout: 2 });
  const [degraded] = await arraysIn([raid5[0], undefined, raid5[2]]);
  t.same(await chunks(degraded, 3), [0, 2000, 2001], 'made of the others');
  t.match(degraded?.problems, [/1 of the 3 members of the array are missing or out of date; found were vda, vdc/]);
  t.same(degraded?.source.locate(4096, 4096), [{ length: 4096, offset: 0 }], 'what is made stands nowhere');
  t.match(await arraysIn(raid5.slice(1, 2)), [
    { name: 'md-data', unreadable: { what: /2 of 3 disks of a RAID are missing/ } },
  ]);
  t.match(await arraysIn(members(2, { level: 0 }).slice(1)), [{ unreadable: { what: /too many disks are missing/ } }]);
  t.match(await arraysIn(members(4, { level: 10, layout: 0x102 }).slice(2)), [
    { unreadable: { what: /all copies are missing/ } },
  ]);
  const raid6 = members(4, { level: 6, layout: 2 });
  t.same((await chunks((await arraysIn([...raid6.slice(0, 2), undefined, raid6[3]]))[0], 2))[0], 1000);
});

t.test('members that do not count', async (t) => {
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = members(2, { level: 1 });
  const spec = { level: 1, members: 2, usedSectors: 2048 };
  const firstChunk = async (): Promise<number | undefined> =>
    (await chunks((await arraysIn([first, second]))[0], 1))[0];
  for (const [change, expected] of [
    [{ events: 9 }, 0],
    [{ events: 6 }, 0],
    [{ events: 5 }, 1000],
    [{ features: 2 }, 1000],
    [{ features: 16 }, 1000],
    [{ usedSectors: 99_999 }, 0],
  ] as const) {
    writeMdSuperblock(first, { ...spec, role: 0, ...change });
    if ('usedSectors' in change) t.match(await arraysIn([first, second]), [{ unreadable: { what: /too many/ } }]);
    else t.equal(await firstChunk(), expected, JSON.stringify(change));
  }
  writeMdSuperblock(first, { ...spec, role: -1 });
  t.equal(await firstChunk(), 1000, 'a spare');
});

t.test('arrays that are not read', async (t) => {
  const what = async (spec: Parameters<typeof members>[1], count = 3): Promise<string | undefined> =>
    (await arraysIn(members(count, spec)))[0]?.unreadable?.what;
  t.match(await what({ level: 5, layout: 2, features: 4 }), /being reshaped/);
  t.match(await what({ level: 5, layout: 2, features: 512 }), /a journal/);
  t.match(await what({ level: 5, layout: 99 }), /level 5 with layout 99/);
  t.match(await what({ level: 7 }), /level 7/);
  t.match(await what({ level: 10, layout: 0x20102 }), /RAID 10 with layout/);
  t.match(await what({ level: 10, layout: 0 }), /RAID 10 with layout/);
  t.match(await what({ level: 5, layout: 2, chunkSectors: 0 }), /chunks of a RAID have no size/);
  t.match(await what({ level: 6, layout: 2 }, 2), /too few members/);
  t.match(await what({ level: 1 }, 0 + 1), undefined);
});

t.test('RAID 0 of members of different sizes', async (t) => {
  const build = (layout: number, features = 4096): Buffer[] =>
    [2, 3, 3].map((mib, role) => {
      const image = Buffer.alloc(mib * MIB);
      for (let row = 0; row < (mib - 1) * 256; row++) image.writeUInt32LE(role * 1000 + row, MIB + row * 4096);
      writeMdSuperblock(image, {
        level: 0,
        layout,
        features,
        members: 3,
        role,
        usedSectors: 0,
        chunkSectors: CHUNK_SECTORS,
      });
      return image;
    });
  const [alternate] = await arraysIn(build(2));
  t.equal(alternate?.source.sizeBytes, 5 * MIB);
  t.same((await chunks(alternate, 772)).slice(766), [1255, 2255, 1256, 2256, 1257, 2257]);
  const odd = build(1).map((image) => image);
  t.same((await chunks((await arraysIn(odd))[0], 772)).slice(766), [1255, 2255, 1256, 2256, 1257, 2257]);
  t.match(await arraysIn(build(0, 0)), [{ unreadable: { what: /does not say how it is laid out/ } }]);
});

t.test('names', async (t) => {
  for (const [name, expected] of [
    ['host:data', 'md-data'],
    ['0', 'md0'],
    ['host:12', 'md12'],
    ['', 'md-01010101'],
    ['a/b\n', 'md-a_b_'],
  ] as const) {
    t.equal((await arraysIn(members(2, { level: 1, name })))[0]?.name, expected);
  }
  const both = [...members(2, { level: 1 }), ...members(2, { level: 1, array: 2 })];
  t.same(
    (await arraysIn(both)).map(({ name }) => name),
    ['md-data', 'md-data-2'],
  );
});

t.test('what mdadm says of the superblocks', async (t) => {
  const examine = (image: Buffer): Record<string, string> => {
    const file = join(temporaryDirectory(t), 'member');
    writeFileSync(file, image);
    const text = execFileSync('mdadm', ['--examine', '--export', loopDevice(t, file)], { encoding: 'utf8' });
    return Object.fromEntries(
      text
        .trim()
        .split('\n')
        .map((line) => line.split('=', 2) as [string, string]),
    );
  };
  const uuid = (text = ''): string => text.replace(/[:-]/g, '');
  for (const version of ['1.0', '1.1', '1.2'] as const) {
    const [image = Buffer.alloc(0)] = members(3, { level: 5, layout: 2, version });
    const [said, read] = [examine(image), await readMdSuperblock(new Probe(memorySource(image), new BlockCache(MIB)))];
    t.equal(said['MD_LEVEL'], `raid${read?.level ?? ''}`);
    t.equal(said['MD_DEVICES'], String(read?.members));
    t.equal(uuid(said['MD_UUID']), uuid(read?.uuid));
    t.equal(said['MD_EVENTS'], String(read?.events));
    t.equal(read?.version, version);
  }
  for (const little of [true, false]) {
    const image = Buffer.alloc(2 * MIB);
    writeMdSuperblock090(
      image,
      { level: 5, layout: 2, members: 3, role: 1, usedSectors: 2048, chunkSectors: 8 },
      little,
    );
    const read = await readMdSuperblock(new Probe(memorySource(image), new BlockCache(MIB)));
    t.match(read, {
      version: '0.90',
      level: 5,
      layout: 2,
      chunkBytes: 4096,
      members: 3,
      usedBytes: MIB,
      role: 1,
      events: 7n,
    });
    if (little) {
      const said = examine(image);
      t.match(said, { MD_LEVEL: 'raid5', MD_DEVICES: '3' });
      t.equal(uuid(said['MD_UUID']), '11223344556677889 9aabbccddeeff00'.replace(' ', ''));
    }
  }
});

t.test('mirrors of version 0.90 and 1.0 are found before what they mirror', async (t) => {
  const file = sparseFile(t, 2 * MIB);
  sfdisk(file, 'label: dos\nstart=64, size=1000\n');
  const table = readFileSync(file);
  execFileSync('mke2fs', ['-q', '-E', 'offset=32768', file, '500k']);
  for (const version of ['0.90', '1.0'] as const) {
    const images = [0, 1].map((role) => {
      const image = Buffer.from(readFileSync(file));
      const spec = { level: 1, members: 2, role, usedSectors: 3900 };
      if (version === '1.0') writeMdSuperblock(image, { ...spec, version });
      else writeMdSuperblock090(image, spec);
      return image;
    });
    t.match(await arraysIn(images), [
      { name: version === '1.0' ? 'md-data1' : 'md3p1', source: { sizeBytes: 512_000 } },
    ]);
  }
  // A superblock inside of the last partition is the partition's, not the disk's.
  const last = Buffer.from(table);
  last.writeUInt32LE(4032, 446 + 12);
  writeMdSuperblock(last, { level: 1, members: 1, role: 0, usedSectors: 3900, version: '1.0' });
  t.match(await arraysIn([last]), [{ name: 'vda1' }]);
});

corpusTest(t, "util-linux's image of a member", async (t, corpus) => {
  const image = corpusImage(corpus, 'util-linux/tests/ts/blkid/images-fs/mdraid-1.img.xz');
  const superblock = await readMdSuperblock(new Probe(memorySource(image), new BlockCache(MIB)));
  t.match(superblock, { uuid: '77e61baf-c0b5-d7d0-39cf-575b64d4878c', version: '1.2', arrayName: 'troy.t-8ch.de:0' });
});
