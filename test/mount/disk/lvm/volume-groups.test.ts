import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import type { BlockDevice } from '../../../../mount/disk/block-device.js';
import { discover } from '../../../../mount/disk/discover.js';
import { type MadeGroup, makeGroup, segmentText, volumeText } from '../../../kit/disk/lvm.js';
import { patchedSource } from '../../../kit/filesystems/fuzz.js';
import { memorySource } from '../../../kit/filesystems/sources.js';

const MIB = 1024 * 1024;
const HIDDEN = '"READ", "WRITE"';

/** The images, with a stamp in each sector behind the metadata: the number of the volume and its own. */
function stamped(group: MadeGroup): Buffer[] {
  return group.files.map((file, index) => {
    const image = readFileSync(file);
    for (let at = MIB; at < image.length - MIB; at += 512) image.writeUInt32LE(index * 2 ** 24 + at / 512, at);
    return image;
  });
}

/** What was stamped on the sector of an extent. */
function stamp(pv: number, extent: number, sector = 0): number {
  return pv * 2 ** 24 + (MIB + extent * MIB) / 512 + sector;
}

async function stampsOf(source: ByteSource, every = 512): Promise<number[]> {
  const bytes = Buffer.alloc(source.sizeBytes);
  if ((await source.read(bytes, 0)) !== bytes.length) throw new Error('short');
  return Array.from({ length: Math.floor(bytes.length / every) }, (_, index) => bytes.readUInt32LE(index * every));
}

function volumes(images: readonly Buffer[]): { name: string; source: ByteSource }[] {
  return images.map((image, index) => ({
    name: `vd${'abcdef'[index] ?? ''}`,
    source: memorySource(image, `vd${'abcdef'[index] ?? ''}`),
  }));
}

function named(devices: readonly BlockDevice[], name: string): BlockDevice {
  const device = devices.find((one) => one.name === name);
  if (device === undefined) throw new Error(`${name} is not among ${devices.map((one) => one.name).join(' ')}`);
  return device;
}

t.test('linear and striped volumes over several physical ones', async (t) => {
  const group = makeGroup(t, 'vg0', [16, 16, 16]);
  group.restore(
    [
      volumeText('root', [
        segmentText(0, 2, 'striped', 'stripe_count = 1\nstripes = ["pv0", 3]'),
        segmentText(2, 3, 'striped', 'stripe_count = 1\nstripes = ["pv2", 1]'),
        segmentText(5, 4, 'striped', 'stripe_count = 2\nstripe_size = 128\nstripes = ["pv1", 0, "pv0", 8]'),
      ]),
      volumeText('my-data.x', [
        segmentText(0, 6, 'striped', 'stripe_count = 3\nstripe_size = 8\nstripes = ["pv0", 10, "pv1", 10, "pv2", 10]'),
      ]),
      volumeText('zeros', [segmentText(0, 1, 'zero', '')]),
      volumeText('broken', [segmentText(0, 1, 'error', '')]),
    ].join('\n'),
  );
  const devices = await discover(volumes(stamped(group)));
  const shown = devices.map(({ name, origin, source, unreadable }) => ({
    name,
    origin,
    sizeBytes: source.sizeBytes,
    unreadable,
  }));
  t.same(
    shown
      .filter(({ name }) => name !== 'vg0-broken')
      .map(({ name, sizeBytes, origin }) => [
        name.slice(4),
        String(sizeBytes),
        origin.kind === 'logical-volume' ? origin.uuid : '',
      ]),
    group
      .lvs('lv_name,lv_size,lv_uuid')
      .map((row) => [row['lv_name'], row['lv_size'], row['lv_uuid']])
      .filter(([name]) => name !== 'broken')
      .sort(
        (a, b) =>
          devices.findIndex((d) => d.name === `vg0-${a[0] ?? ''}`) -
          devices.findIndex((d) => d.name === `vg0-${b[0] ?? ''}`),
      ),
  );
  const root = named(devices, 'vg0-root').source;
  const linear = [3, 4].map((extent) => stamp(0, extent)).concat([1, 2, 3].map((extent) => stamp(2, extent)));
  t.same((await stampsOf(root, MIB)).slice(0, 5), linear);
  // Stripes of 64 KiB in turn.
  const stripes = Array.from({ length: 64 }, (_, index) =>
    index % 2 === 0 ? stamp(1, 0, (index / 2) * 128) : stamp(0, 8, ((index - 1) / 2) * 128),
  );
  t.same((await stampsOf(root, 65_536)).slice(80), stripes);
  t.same(root.locate(MIB - 512, MIB + 1024), [
    { volume: 'vda', offset: 5 * MIB - 512, length: MIB + 512 },
    { volume: 'vdc', offset: 2 * MIB, length: 512 },
  ]);
  const data = await stampsOf(named(devices, 'vg0-my-data.x').source, 4096);
  t.same(
    data.slice(0, 7),
    [0, 1, 2, 0, 1, 2, 0].map((pv, index) => stamp(pv, 10, Math.floor(index / 3) * 8)),
  );
  t.ok((await stampsOf(named(devices, 'vg0-zeros').source)).every((value) => value === 0));
  t.match(named(devices, 'vg0-broken').unreadable, { what: /of the type error/, hint: /vgchange -ay/ });
});

t.test('each contiguous run is read at once', async (t) => {
  const group = makeGroup(t, 'vg0', [16, 16]);
  group.restore(
    volumeText('str', [
      segmentText(0, 4, 'striped', 'stripe_count = 2\nstripe_size = 8\nstripes = ["pv0", 1, "pv1", 1]'),
    ]),
  );
  const reads: string[] = [];
  const watched = volumes(stamped(group)).map(({ name, source }) => ({
    name,
    source: {
      ...source,
      read(target: Uint8Array, offset: number) {
        reads.push(`${name} ${offset} ${target.length}`);
        return source.read(target, offset);
      },
    },
  }));
  const { source } = named(await discover(watched), 'vg0-str');
  reads.length = 0;
  await source.read(Buffer.alloc(65_536), 8192);
  t.same(reads, [`vda ${2 * MIB + 4096} 32768`, `vdb ${2 * MIB + 4096} 32768`]);
});

const RAID = 'device_count = 3\nregion_size = 1024\nstripe_size = 128\n';

/** The legs of a RAID, `extents` each: the metadata of leg `n` is the extent before its data, on `pv<n>`. */
function legs(name: string, count: number, extents: number, from: number): string[] {
  return Array.from({ length: count }, (_, leg) => [
    volumeText(
      `${name}_rmeta_${leg}`,
      [segmentText(0, 1, 'striped', `stripe_count = 1\nstripes = ["pv${leg}", ${from}]`)],
      HIDDEN,
    ),
    volumeText(
      `${name}_rimage_${leg}`,
      [segmentText(0, extents, 'striped', `stripe_count = 1\nstripes = ["pv${leg}", ${from + 1}]`)],
      HIDDEN,
    ),
  ]).flat();
}

function raids(name: string, count: number): string {
  const list = Array.from({ length: count }, (_, leg) => `"${name}_rmeta_${leg}", "${name}_rimage_${leg}"`);
  return `raids = [${list.join(', ')}]`;
}

function raidGroup(t: Test): MadeGroup {
  const group = makeGroup(t, 'vg0', [24, 24, 24]);
  group.restore(
    [
      volumeText('r1', [segmentText(0, 2, 'raid1', `device_count = 2\nregion_size = 1024\n${raids('r1', 2)}`)]),
      ...legs('r1', 2, 2, 0),
      volumeText('r5', [segmentText(0, 4, 'raid5', `${RAID}${raids('r5', 3)}`)]),
      ...legs('r5', 3, 2, 4),
      volumeText('mir', [
        segmentText(
          0,
          2,
          'mirror',
          'mirror_count = 2\nregion_size = 1024\nmirrors = ["mir_mimage_0", 0, "mir_mimage_1", 0]',
        ),
      ]),
      volumeText('mir_mimage_0', [segmentText(0, 2, 'striped', 'stripe_count = 1\nstripes = ["pv2", 8]')], HIDDEN),
      volumeText('mir_mimage_1', [segmentText(0, 2, 'striped', 'stripe_count = 1\nstripes = ["pv1", 8]')], HIDDEN),
      volumeText('r0', [
        segmentText(0, 4, 'raid0', 'stripe_count = 2\nstripe_size = 128\nraid0_lvs = ["r0_rimage_0", "r0_rimage_1"]'),
      ]),
      ...legs('r0', 2, 2, 12).filter((text) => text.startsWith('r0_rimage')),
    ].join('\n'),
  );
  return group;
}

const raidImages = stamped(raidGroup(t));

t.test('mirrors and RAIDs; what is missing', async (t) => {
  const images = raidImages;
  const all = await discover(volumes(images));
  t.same(all.map(({ name }) => name).sort(), ['vg0-mir', 'vg0-r0', 'vg0-r1', 'vg0-r5'], 'no hidden ones');
  const firsts = async (devices: readonly BlockDevice[], name: string): Promise<number[]> =>
    (await stampsOf(named(devices, name).source, 65_536)).slice(0, 4);
  t.same(
    await firsts(all, 'vg0-r1'),
    [0, 1, 2, 3].map((index) => stamp(0, 1, index * 128)),
  );
  t.same(
    await firsts(all, 'vg0-mir'),
    [0, 1, 2, 3].map((index) => stamp(2, 8, index * 128)),
  );
  t.same(await firsts(all, 'vg0-r0'), [stamp(0, 13), stamp(1, 13), stamp(0, 13, 128), stamp(1, 13, 128)]);
  // Left-symmetric on three: 0 1 P, 3 P 2.
  t.same(await firsts(all, 'vg0-r5'), [stamp(0, 5), stamp(1, 5), stamp(2, 5, 128), stamp(0, 5, 128)]);

  const without = async (missing: number): Promise<readonly BlockDevice[]> =>
    await discover(volumes(images).filter((_, index) => index !== missing));
  const withoutFirst = await without(0);
  t.same(
    await firsts(withoutFirst, 'vg0-r1'),
    [0, 1, 2, 3].map((index) => stamp(1, 1, index * 128)),
  );
  const xor = stamp(1, 5) ^ stamp(2, 5);
  t.same((await firsts(withoutFirst, 'vg0-r5')).slice(0, 3), [xor >>> 0, stamp(1, 5), stamp(2, 5, 128)]);
  t.match(named(withoutFirst, 'vg0-r0').unreadable, {
    what: /a logical volume of which a part is missing/,
    hint: /needs the physical volume pv0 \(\w{6}-.*, then \/dev\/loop/,
  });
  t.same(
    await firsts(await without(2), 'vg0-mir'),
    [0, 1, 2, 3].map((index) => stamp(1, 8, index * 128)),
  );
  const alone = await discover(volumes(images).slice(0, 1));
  t.match(named(alone, 'vg0-r5').unreadable, { what: /a part is missing/ });
  t.match(named(alone, 'vg0-mir').unreadable, { what: /a part is missing/, hint: /pv2/ });
});

t.test('a leg that is out of date or not complete is not read', async (t) => {
  const images = raidImages;
  const superblock = (events: number, failed: number, recovered = 0xffffffffffffffffn): Buffer => {
    const bytes = Buffer.alloc(512);
    bytes.write('DmRd');
    bytes.writeBigUInt64LE(BigInt(events), 16);
    bytes.writeBigUInt64LE(BigInt(failed), 24);
    bytes.writeBigUInt64LE(recovered, 32);
    return bytes;
  };
  const firstOf = async (a: Buffer, b: Buffer): Promise<number | string> => {
    const patched = volumes(images).map(({ name }, index) => ({
      name,
      source: patchedSource(images[index] ?? Buffer.alloc(0), [{ offset: MIB, bytes: index === 0 ? a : b }]),
    }));
    const device = named(await discover(patched), 'vg0-r1');
    return device.unreadable?.what ?? (await stampsOf(device.source))[0] ?? 0;
  };
  t.equal(await firstOf(superblock(5, 0), superblock(5, 0)), stamp(0, 1));
  t.equal(await firstOf(superblock(4, 0), superblock(5, 0)), stamp(0, 1));
  t.equal(await firstOf(superblock(3, 0), superblock(5, 0)), stamp(1, 1));
  t.equal(await firstOf(superblock(5, 0), superblock(5, 1)), stamp(1, 1));
  t.equal(await firstOf(superblock(5, 0, 1000n), superblock(5, 0)), stamp(1, 1));
  t.equal(await firstOf(Buffer.alloc(512), superblock(5, 0)), stamp(1, 1));
  t.match(await firstOf(superblock(5, 2), superblock(5, 1)), /too many disks are missing or out of date/);
});

t.test('metadata: the newest copy counts, damaged ones are told', async (t) => {
  const group = makeGroup(t, 'vg0', [8, 8], ['--pvmetadatacopies', '2']);
  const linear = (name: string): string =>
    volumeText(name, [segmentText(0, 1, 'striped', 'stripe_count = 1\nstripes = ["pv1", 0]')]);
  group.restore(linear('old'));
  const before = stamped(group);
  group.restore(linear('new'));
  const after = stamped(group);
  const names = async (images: readonly Buffer[]): Promise<string[]> =>
    (await discover(volumes(images))).map(({ name }) => name);
  t.same(await names(before), ['vg0-old']);
  t.same(await names(after), ['vg0-new']);
  const [oldFirst, newSecond] = [before[0] ?? Buffer.alloc(0), after[1] ?? Buffer.alloc(0)];
  t.same(await names([oldFirst, newSecond]), ['vg0-new'], 'of two disks the newer one');

  const damaged = (at: number): ByteSource[] =>
    after.map((image) => patchedSource(image, [{ offset: at, bytes: Buffer.from([0xff, 0xff]) }]));
  const discovered = async (sources: readonly ByteSource[]): Promise<readonly BlockDevice[]> =>
    await discover(sources.map((source, index) => ({ name: `vd${'ab'[index] ?? ''}`, source })));
  const [header] = await discovered(damaged(4096 + 50));
  t.match(header, {
    name: 'vg0-new',
    problems: [/vda: the checksum of the header/, /vdb: the checksum of the header/],
  });
  t.match(await discovered(damaged(4096 + 4)), [
    { name: 'vg0-new', problems: [/header of a metadata area is gone/, /vdb/] },
  ]);
  const textAt = (after[0] ?? Buffer.alloc(0)).readUInt32LE(4096 + 40);
  t.match(await discovered(damaged(4096 + textAt + 30)), [
    { name: 'vg0-new', problems: [/checksum of the metadata/, /vdb/] },
  ]);
  t.match(await discovered(damaged(512 + 60)), [{ name: 'vda' }, { name: 'vdb' }], 'without its label it is nothing');
});

t.test('all metadata lost, or those of other disks', async (t) => {
  const group = makeGroup(t, 'vg0', [8, 8]);
  const [first = Buffer.alloc(0)] = stamped(group);
  const lost = patchedSource(first, [{ offset: 4096, bytes: Buffer.alloc(512) }]);
  t.match(await discover([{ name: 'vda', source: lost }]), [
    { name: 'vda', unreadable: { what: /metadata are damaged/ }, problems: [/header of a metadata area is gone/] },
  ]);
  const empty = makeGroup(t, 'vg1', [8]);
  t.same(await discover(volumes(stamped(empty))), [], 'a group without volumes');
});

t.test('groups of the same name, and copies of a disk', async (t) => {
  const images = [0, 1].map(() => {
    const group = makeGroup(t, 'vg0', [8]);
    group.restore(volumeText('root', [segmentText(0, 1, 'striped', 'stripe_count = 1\nstripes = ["pv0", 0]')]));
    return stamped(group)[0] ?? Buffer.alloc(0);
  });
  const both = await discover(volumes(images));
  t.same(
    both.map(({ name, source }) => [name, source.locate(0, 512)[0]?.volume]),
    [
      ['vg0-root', 'vda'],
      ['vg0-root-2', 'vdb'],
    ],
  );
  const [first = Buffer.alloc(0)] = images;
  t.match(await discover(volumes([first, first])), [
    { name: 'vdb', unreadable: { what: /a copy of the LVM physical volume on vda/ } },
    { name: 'vg0-root', source: { sizeBytes: MIB } },
  ]);
  t.match(
    (await discover(volumes([first]))).map(({ name }) => name),
    ['vg0-root'],
    'another machine has its own',
  );
});
