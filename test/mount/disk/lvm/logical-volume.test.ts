import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { LogicalVolumes } from '../../../../mount/disk/lvm/logical-volume.js';
import { parseVolumeGroup } from '../../../../mount/disk/lvm/volume-group.js';
import { segmentText, volumeText } from '../../../kit/disk/lvm.js';
import { writeSnapshotStore } from '../../../kit/disk/snapshot-store.js';
import { memorySource } from '../../../kit/filesystems/sources.js';

const EXTENT_BYTES = 4096;
const DAMAGED = 'FILESYSTEM_DAMAGED';

function groupText(volumes: readonly string[], extentSectors = EXTENT_BYTES / 512): string {
  return [
    `vg0 {\nid = "group"\nseqno = 1\nextent_size = ${extentSectors}`,
    'physical_volumes {\npv0 {\nid = "first"\ndevice = "/dev/sda"\npe_start = 0\n}\n}',
    `logical_volumes {\n${volumes.join('\n')}\n}\n}\n`,
  ].join('\n');
}

/** A volume of that many extents of the physical one, from `extent` on. */
function linear(name: string, extent: number, extents = 1): string {
  return volumeText(name, [segmentText(0, extents, 'striped', `stripe_count = 1\nstripes = ["pv0", ${extent}]`)]);
}

/** The physical volume: each extent is filled with a letter, `a` first. */
function physical(): Buffer {
  return Buffer.concat(Array.from({ length: 20 }, (_, extent) => Buffer.alloc(EXTENT_BYTES, 97 + extent)));
}

/** What a volume shows: the first letter of each extent. */
async function shown(name: string, volumes: readonly string[], image = physical()): Promise<string> {
  const group = parseVolumeGroup(groupText(volumes));
  const maker = new LogicalVolumes(group, new Map([['first', memorySource(image)]]), new BlockCache(1024 * 1024));
  const source = await maker.source(name);
  const bytes = Buffer.alloc(source.sizeBytes);
  await source.read(bytes, 0);
  return Array.from({ length: bytes.length / EXTENT_BYTES }, (_, index) =>
    String.fromCharCode(bytes[index * EXTENT_BYTES] ?? 0),
  ).join('');
}

t.test('a snapshot, and one that is being merged', async (t) => {
  const image = physical();
  // Extents 4 to 7 are the store: of the origin's three extents the second was another one.
  writeSnapshotStore(image.subarray(4 * EXTENT_BYTES, 8 * EXTENT_BYTES), EXTENT_BYTES, [
    [1, Buffer.alloc(EXTENT_BYTES, 'x')],
  ]);
  const volumes = (store: string): string[] => [
    linear('root', 0, 3),
    linear('snap', 4, 4),
    volumeText('snapshot0', [segmentText(0, 3, 'snapshot', `chunk_size = 8\norigin = "root"\n${store} = "snap"`)]),
  ];
  t.equal(await shown('root', volumes('cow_store'), image), 'abc');
  t.equal(await shown('snap', volumes('cow_store'), image), 'axc');
  t.equal(await shown('root', volumes('merging_store'), image), 'axc', 'the origin shows what it will be');
  image.writeUInt32LE(0, 4 * EXTENT_BYTES + 4);
  await t.rejects(shown('snap', volumes('cow_store'), image), { code: 'FILESYSTEM_UNREADABLE', message: /ran full/ });
  t.equal(await shown('root', volumes('cow_store'), image), 'abc');
});

t.test('cached volumes', async (t) => {
  const cached = async (mode: string, poolMode = ''): Promise<string> =>
    await shown('root', [
      volumeText('root', [segmentText(0, 2, 'cache', `cache_pool = "pool"\norigin = "root_corig"\n${mode}`)]),
      linear('root_corig', 2, 2),
      volumeText('pool', [segmentText(0, 1, 'cache-pool', `data = "d"\nmetadata = "m"\n${poolMode}`)]),
    ]);
  t.equal(await cached('cache_mode = "writethrough"'), 'cd');
  t.equal(await cached('', 'cache_mode = "passthrough"'), 'cd', 'the pool says how');
  const refused = { code: 'FILESYSTEM_UNREADABLE', message: /of the type cache$/, hint: /may be in the cache only/ };
  await t.rejects(cached('cache_mode = "writeback"', 'cache_mode = "writethrough"'), refused);
  await t.rejects(cached('', 'cache_mode = "writeback"'), refused);
  await t.rejects(cached(''), refused);
});

t.test('volumes with checksums', async (t) => {
  const checked = async (settings: string): Promise<string> =>
    await shown('root', [
      volumeText('root', [segmentText(0, 2, 'integrity', `origin = "root_iorig"\n${settings}`)]),
      linear('root_iorig', 5, 2),
    ]);
  t.equal(await checked('mode = "B"\nmeta_dev = "root_imeta"'), 'fg');
  const refused = { code: 'FILESYSTEM_UNREADABLE', hint: /in the journal of its checksums/ };
  await t.rejects(checked('mode = "J"\nmeta_dev = "root_imeta"'), refused);
  await t.rejects(checked('mode = "B"'), refused);
});

t.test('what only the metadata can have wrong', async (t) => {
  const stripes = (list: string, count = 1): string =>
    segmentText(0, 2, 'striped', `stripe_count = ${count}\nstripe_size = 0\nstripes = [${list}]`);
  const cases: readonly (readonly [segment: string, message: RegExp])[] = [
    [stripes('"pv0", 30'), /behind the end of "pv0"/],
    [stripes('"other", 0'), /there is no logical volume "other"/],
    [stripes('"root", 0'), /"root" is made of itself/],
    [stripes(''), /a segment stands nowhere/],
    [stripes('"pv0", "1"'), /a segment stands nowhere/],
    [stripes('"pv0", -1'), /a segment stands nowhere/],
    [stripes('"pv0", 0, "pv0", 4', 2), /the stripes of a logical volume have no size/],
    [segmentText(1, 1, 'striped', 'stripes = ["pv0", 0]'), /have gaps/],
    [segmentText(0, 2, 'mirror', 'mirrors = []'), /a mirror has no legs/],
    [segmentText(0, 2, 'raid1', 'raids = []'), /a RAID has no legs, or too many/],
    [segmentText(0, 2, 'thin', 'thin_pool = "nothing"'), /a thin volume has no pool/],
    [
      segmentText(0, 3, 'cache', 'cache_mode = "writethrough"\norigin = "small"'),
      /a segment is shorter than it should/,
    ],
  ];
  for (const [segment, message] of cases) {
    const volumes = [volumeText('root', [segment]), linear('small', 0)];
    await t.rejects(shown('root', volumes), { code: DAMAGED, message }, segment);
  }
  await t.rejects(shown('nothing', []), { code: DAMAGED, message: /there is no logical volume/ });
  const group = parseVolumeGroup(groupText([volumeText('root', [stripes('"other", 0')])]));
  const maker = new LogicalVolumes(group, new Map(), new BlockCache(1024 * 1024));
  for (const turn of [1, 2]) await t.rejects(maker.source('root'), { code: DAMAGED }, `asked ${turn} times`);
});

t.test('RAIDs', async (t) => {
  const raid = async (type: string, settings: string, legs = 3): Promise<string> => {
    const numbers = Array.from({ length: legs }, (_, leg) => leg);
    const list = numbers.map((leg) => `"meta${leg}", "leg${leg}"`).join(', ');
    return await shown('root', [
      volumeText('root', [segmentText(0, 2, type, `${settings}\nraids = [${list}]`)]),
      ...numbers.flatMap((leg) => [linear(`meta${leg}`, 10 + leg), linear(`leg${leg}`, leg * 2, 2)]),
    ]);
  };
  t.equal(await raid('raid10', 'stripe_size = 8', 4), 'ae');
  t.equal(await raid('raid10_near', 'stripe_size = 8\ndata_copies = 3', 6), 'ag');
  t.equal(await raid('raid0_meta', 'stripe_size = 8', 2), 'ac');
  t.equal(await raid('raid4', 'stripe_size = 8'), 'ce', 'the parity comes first');
  t.equal(await raid('raid6_nc', 'stripe_size = 8', 4), 'ac');
  await t.rejects(raid('raid10', 'stripe_size = 8\ndata_copies = 9'), { code: DAMAGED, message: /has 9 copies/ });
  await t.rejects(raid('raid10', 'stripe_size = 8\ndata_copies = 0'), { code: DAMAGED, message: /has 0 copies/ });
  await t.rejects(raid('raid5', 'stripe_size = 0'), { code: DAMAGED, message: /stripes of a RAID have no size/ });
  await t.rejects(raid('raid6', 'stripe_size = 8', 2), { code: DAMAGED, message: /too few legs/ });
  await t.rejects(raid('raid7', 'stripe_size = 8'), { code: 'FILESYSTEM_UNREADABLE', message: /of the type raid7/ });
  for (const reshaping of ['reshape_count = 1', 'data_offset = 8']) {
    const refused = { code: 'FILESYSTEM_UNREADABLE', message: /raid5 that is being reshaped/ };
    await t.rejects(raid('raid5', `stripe_size = 8\n${reshaping}`), refused);
  }
});

t.test('groups that are not well described', async (t) => {
  const volume = linear('root', 0);
  t.equal(parseVolumeGroup(groupText([volume])).logicalVolumes.size, 1);
  for (const [text, message] of [
    ['a = 1\n', /have no volume group/],
    [groupText([volume], 0), /extents of the volume group have no size/],
    [groupText([volume.replace('segment_count = 1', 'segment_count = 2')]), /segment 2 of a logical volume is missing/],
    [groupText([volume.replace('segment_count = 1', 'segment_count = 100001')]), /too many segments/],
  ] as const)
    t.throws(() => parseVolumeGroup(text), { code: DAMAGED, message });
});
