import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openImage } from '../../../agent/images/open-image.js';
import { contentOf, extentsOf } from '../../kit/image-content.js';
import { loopDevice } from '../../kit/loop-device.js';
import { qemuImg } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

/** A sparse file of `sizeBytes` with random data in `count` places. */
function sparseFile(path: string, random: Random, sizeBytes: number, count: number): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, sizeBytes);
  for (let index = 0; index < count; index++) {
    const data = random.bytes(random.between(1, 70_000));
    writeSync(fd, data, 0, data.length, random.below(sizeBytes - data.length));
  }
  closeSync(fd);
}

t.test('odd sizes and holes: content and extents are those of the file', async (t) => {
  const random = new Random(testSeed(t));
  for (const sizeBytes of [70_001, 4 * MIB, 64 * MIB + 513]) {
    const path = join(temporaryDirectory(t), 'disk.raw');
    sparseFile(path, random, sizeBytes, 10);
    const image = await openImage(path);
    t.equal(image.sizeBytes, sizeBytes);
    t.equal(image.format, 'raw');
    t.equal(image.consistency, 'offline');
    t.ok((await contentOf(image)).equals(readFileSync(path)));
    t.same(await extentsOf(image), mapOf(path, sizeBytes));
    await image.assertUnchanged();
    await image.close();
    await image.close();
  }
});

t.test('an empty file and one that is all hole have no extents', async (t) => {
  const path = join(temporaryDirectory(t), 'disk');
  writeFileSync(path, '');
  const empty = await openImage(path);
  t.same([empty.sizeBytes, await extentsOf(empty)], [0, []]);
  await empty.close();
  truncateSync(path, 1024 ** 4);
  const hole = await openImage(path);
  t.same([hole.sizeBytes, await extentsOf(hole)], [1024 ** 4, []]);
  await hole.close();
});

t.test('many extents come one at a time', async (t) => {
  const path = join(temporaryDirectory(t), 'disk.img');
  const fd = openSync(path, 'w');
  for (let index = 0; index < 2000; index++) writeSync(fd, 'x', index * 16_384);
  closeSync(fd);
  const image = await openImage(path);
  let count = 0;
  for await (const extent of image.extents()) {
    if (extent.offset !== count * 16_384) break;
    count++;
  }
  t.equal(count, 2000);
  await image.close();
});

t.test('a block device is one extent, whatever it holds', async (t) => {
  const path = join(temporaryDirectory(t), 'disk.raw');
  sparseFile(path, new Random(testSeed(t)), 3 * MIB + 512, 3);
  const device = loopDevice(t, path);
  const image = await openImage(device);
  t.equal(image.sizeBytes, 3 * MIB + 512);
  t.equal(image.fingerprint, undefined);
  t.same(await extentsOf(image), [{ offset: 0, length: 3 * MIB + 512 }]);
  t.ok((await contentOf(image)).equals(readFileSync(path)));
  await image.assertUnchanged();
  await t.rejects(openImage(device), { code: 'IMAGE_IN_USE', message: /is in use by node \(process/ });
  await image.close();
});

t.test('a mounted block device is refused with its mount point', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'disk.raw');
  truncateSync(openAndClose(path), 4 * MIB);
  execFileSync('mkfs.ext4', ['-q', path]);
  const device = loopDevice(t, path);
  execFileSync('mount', [device, directory]);
  try {
    await t.rejects(openImage(device), { code: 'IMAGE_IN_USE', message: `${device} is mounted at ${directory}` });
  } finally {
    execFileSync('umount', [directory]);
  }
  await t.rejects(openImage(path), { code: 'IMAGE_IN_USE', message: `${path} can be written through ${device}` });
});

function openAndClose(path: string): string {
  closeSync(openSync(path, 'w'));
  return path;
}

/** What qemu-img sees, which asks the file system too. */
function mapOf(path: string, sizeBytes: number): unknown {
  const entries = JSON.parse(qemuImg('map', '--output=json', '-f', 'raw', path)) as {
    start: number;
    length: number;
    data: boolean;
  }[];
  return entries
    .filter((entry) => entry.data)
    .map(({ start, length }) => ({ offset: start, length: Math.min(length, sizeBytes - start) }));
}
