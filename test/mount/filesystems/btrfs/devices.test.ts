import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { openBtrfs, readBtrfsDevice } from '../../../../mount/filesystems/btrfs/driver.js';
import { btrfsDevices } from '../../../kit/filesystems/btrfs-devices.js';
import { btrfsImage, MIB, readBtrfs } from '../../../kit/filesystems/btrfs-image.js';
import { filesystemManifest, type Manifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { fileSource, memorySource } from '../../../kit/filesystems/sources.js';

const FILL = `
mkdir dir
for i in $(seq 60); do printf "file $i" > dir/file-$i; done
head -c 3000000 /dev/urandom > random
seq 1 200000 > numbers
head -c 70000 /dev/urandom > small
btrfs subvolume create -q subvolume > /dev/null || btrfs subvolume create subvolume > /dev/null
cp --reflink=always random subvolume/reflink
`;

const PROFILES: readonly { name: string; count: number; mkfs: readonly string[]; mayMiss: number; mount?: string[] }[] =
  [
    { name: 'RAID0', count: 3, mkfs: ['-d', 'raid0', '-m', 'raid0'], mayMiss: 0 },
    { name: 'RAID1', count: 2, mkfs: ['-d', 'raid1', '-m', 'raid1'], mayMiss: 1, mount: ['compress-force=zstd'] },
    { name: 'RAID1C3', count: 3, mkfs: ['-d', 'raid1c3', '-m', 'raid1c3'], mayMiss: 2 },
    { name: 'RAID1C4', count: 4, mkfs: ['-d', 'raid1c4', '-m', 'raid1c4'], mayMiss: 3 },
    { name: 'RAID10', count: 4, mkfs: ['-d', 'raid10', '-m', 'raid10'], mayMiss: 1 },
    { name: 'RAID5', count: 3, mkfs: ['-d', 'raid5', '-m', 'raid5'], mayMiss: 1 },
    { name: 'RAID6', count: 4, mkfs: ['-d', 'raid6', '-m', 'raid6'], mayMiss: 1 },
  ];

async function manifestOf(t: Test, images: readonly string[]): Promise<Manifest> {
  return filesystemManifest(await readBtrfs(t, ...images));
}

for (const { name, count, mkfs, mayMiss, mount = [] } of PROFILES) {
  t.test(`as the kernel shows it: ${name}`, async (t) => {
    const { images, manifest } = btrfsDevices(t, { count, mkfs, mount, fill: FILL });
    sameManifest(t, await manifestOf(t, [...images].reverse()), manifest);
    if (mayMiss === 0) return;
    for (const missing of new Set([0, count - 1])) {
      const filesystem = await readBtrfs(t, ...images.filter((_, index) => index !== missing));
      sameManifest(t, await filesystemManifest(filesystem), manifest);
      t.match(filesystem.problems, [new RegExp(`the device ${missing + 1} is missing`)]);
    }
    if (mayMiss > 1) sameManifest(t, await manifestOf(t, images.slice(mayMiss)), manifest);
  });
}

t.test('a missing device gives errors for what is only on it', async (t) => {
  const mkfs = ['-d', 'single', '-m', 'raid1'];
  const fill = `for i in $(seq 10); do head -c 7000000 /dev/urandom > file-$i; done`;
  const { images, manifest } = btrfsDevices(t, { count: 2, mkfs, sizeBytes: 140 * MIB, fill });
  for (const image of images) {
    const filesystem = await readBtrfs(t, image);
    t.match(filesystem.problems, [/is missing/]);
    const failed = new Map<string, unknown>();
    const actual = await filesystemManifest(filesystem, (path, error) => failed.set(path, error));
    t.ok(failed.size > 0 && failed.size < 10, `${failed.size} of 10 files cannot be read`);
    for (const error of failed.values())
      t.match(error, { code: 'FILESYSTEM_DAMAGED', message: /device that is missing/ });
    sameManifest(t, actual, manifest, { without: [...failed.keys()] });
  }
});

t.test('a device says what it belongs to', async (t) => {
  const { images } = btrfsDevices(t, { count: 2, mkfs: ['-L', 'two', '-d', 'raid1', '-m', 'raid1'], fill: ':' });
  const [first, second] = await Promise.all(images.map((image) => readBtrfsDevice(fileSource(t, image))));
  t.match(first, { deviceId: 1, totalDevices: 2, label: 'two', seeding: false });
  t.match(second, { deviceId: 2, totalDevices: 2, fsid: first?.fsid, generation: first?.generation });
  t.not(first?.deviceUuid, second?.deviceUuid);
  t.equal(await readBtrfsDevice(memorySource(Buffer.alloc(MIB))), undefined);
  t.equal(await readBtrfsDevice(memorySource(Buffer.alloc(100))), undefined);
});

t.test('devices of other file systems, and what is none, are left alone', async (t) => {
  const fill = 'head -c 300000 /dev/urandom > file';
  const { images, manifest } = btrfsDevices(t, { count: 2, mkfs: ['-d', 'raid0', '-m', 'raid1'], fill });
  const other = btrfsImage(t, { fill: 'echo other > other' });
  const broken = Buffer.alloc(MIB);
  broken.write('_BHRfS_M', 0x10040, 'latin1');
  const sources = [...images, other].map((image) => fileSource(t, image));
  const cache = new BlockCache(MIB);
  const filesystem = await openBtrfs({ sources: [...sources, memorySource(broken)], cache });
  sameManifest(t, await filesystemManifest(filesystem), manifest);
  t.same(filesystem.problems, []);
  await t.rejects(openBtrfs({ sources: [], cache }), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('a bad copy is passed over, and an old copy of a device as well', async (t) => {
  const fill = 'head -c 5000000 /dev/urandom > file; for i in $(seq 300); do : > name-$i; done';
  const { images, manifest } = btrfsDevices(t, { count: 2, mkfs: ['-d', 'raid1', '-m', 'raid1'], fill });
  const [first = '', second = ''] = images;
  const bad = readFileSync(first);
  for (let at = 5 * MIB; at < bad.length; at += 4096) bad.fill(0xa5, at, at + 64);
  const sources = [memorySource(bad), fileSource(t, second)];
  const filesystem = await openBtrfs({ sources, cache: new BlockCache(8 * MIB) });
  sameManifest(t, await filesystemManifest(filesystem), manifest);
  const twice = [second, first, second].map((image) => fileSource(t, image));
  const doubled = await openBtrfs({ sources: twice, cache: new BlockCache(8 * MIB) });
  sameManifest(t, await filesystemManifest(doubled), manifest);
  t.match(doubled.problems, [/two copies of the device/]);
  const alone = await openBtrfs({ sources: [memorySource(bad)], cache: new BlockCache(MIB) }).catch(
    (error: unknown) => error,
  );
  t.match(alone, { code: 'FILESYSTEM_DAMAGED', message: /checksum|missing/ });
});
