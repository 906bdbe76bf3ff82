import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openImage } from '../../../agent/images/open-image.js';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import type { ImageFormat } from '../../../src/protocol/api.js';
import { contentOf, extentsOf, totalLength } from '../../kit/image-content.js';
import { holdForWriting, qemuImg, qemuIo } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;
const LATER: Clock = { ...systemClock, now: () => systemClock.now() + 3_600_000 };

/** 24 MiB, data in about a third of it, half of that compressible. */
function source(t: Test, directory: string): Buffer {
  const random = new Random(testSeed(t));
  const disk = Buffer.alloc(24 * MIB);
  for (let index = 0; index < 8; index++) {
    random.bytes(random.between(1, 700_000)).copy(disk, random.below(23 * MIB));
    disk.fill(index + 1, index * MIB, index * MIB + random.between(1, 300_000));
  }
  writeFileSync(join(directory, 'source.raw'), disk);
  return disk;
}

const FORMATS: readonly (readonly [string, ImageFormat, string, ...string[]])[] = [
  ['disk.qcow2', 'qcow2', 'qcow2'],
  ['zlib.qcow2', 'qcow2', 'qcow2', '-c'],
  ['zstd.qcow2', 'qcow2', 'qcow2', '-c', '-o', 'compression_type=zstd'],
  ['small.qcow2', 'qcow2', 'qcow2', '-o', 'cluster_size=512,compat=0.10'],
  ['extended.qcow2', 'qcow2', 'qcow2', '-o', 'extended_l2=on,cluster_size=128k'],
  ['disk.vhdx', 'vhdx', 'vhdx'],
  ['disk.vdi', 'vdi', 'vdi'],
  ['disk.vhd', 'vpc', 'vpc', '-o', 'force_size=on'],
  ['fixed.vhd', 'vpc', 'vpc', '-o', 'force_size=on,subformat=fixed'],
  ['disk.vmdk', 'vmdk', 'vmdk'],
  ['flat.vmdk', 'vmdk', 'vmdk', '-o', 'subformat=monolithicFlat'],
  ['stream.vmdk', 'vmdk', 'vmdk', '-o', 'subformat=streamOptimized'],
];

t.test('every format has the content that qemu-img sees', async (t) => {
  const directory = temporaryDirectory(t);
  const disk = source(t, directory);
  for (const [name, format, driver, ...options] of FORMATS) {
    const path = join(directory, name);
    qemuImg('convert', '-f', 'raw', '-O', driver, ...options, join(directory, 'source.raw'), path);
    const image = await openImage(path, { clock: LATER });
    t.equal(image.format, format, name);
    t.equal(image.sizeBytes, disk.length, name);
    t.equal(image.consistency, 'offline', name);
    t.equal(image.fd, undefined, name);
    t.match(image.fingerprint, new RegExp(`^${format} `), name);
    t.ok((await contentOf(image)).equals(disk), name);
    await image.assertUnchanged();
    await image.close();
    await image.close();
  }
});

t.test('holes of a qcow2 are no extents, and neighbours are joined', async (t) => {
  const path = join(temporaryDirectory(t), 'disk.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', path, '1T');
  await qemuIo(path, 'qcow2', 'write -P 7 1M 256k', 'write -z 2M 1M', 'write -P 8 1023G 64k', 'write -P 9 1279k 70k');
  const image = await openImage(path);
  t.same(await extentsOf(image), [
    { offset: MIB, length: 384 * 1024 },
    { offset: 1023 * 1024 ** 3, length: 65_536 },
  ]);
  await image.close();
});

t.test('a chain of three shows the newest content, and all its files are watched', async (t) => {
  const directory = temporaryDirectory(t);
  const [base, middle, top] = ['base.raw', 'middle.qcow2', 'top.qcow2'].map((name) => join(directory, name));
  if (base === undefined || middle === undefined || top === undefined) return;
  writeFileSync(base, Buffer.alloc(MIB + 700, 1));
  qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', middle, '4M');
  await qemuIo(middle, 'qcow2', 'write -P 2 100k 100k', 'write -P 2 2M 1000');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', middle, '-F', 'qcow2', top);
  await qemuIo(top, 'qcow2', 'write -P 3 150k 10k', 'write -z 0 64k');
  const flat = join(directory, 'flat.raw');
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', top, flat);

  const image = await openImage(top, { clock: LATER });
  t.ok((await contentOf(image)).equals(readFileSync(flat)));
  t.ok(totalLength(await extentsOf(image)) < 2 * MIB);
  t.equal(image.fingerprint?.split(' ').length, 4);
  t.match(await qemuIo(base, 'raw', 'write 0 1k'), /Failed to get "write" lock/);
  t.match(await qemuIo(top, 'qcow2', 'write 0 1k'), /Failed to get "write" lock/);
  truncateSync(base, MIB);
  await t.rejects(image.assertUnchanged(), { code: 'IMAGE_CHANGED', message: /base\.raw was written/ });
  await image.close();

  const release = await holdForWriting(t, base, 'raw');
  await t.rejects(openImage(top), { code: 'IMAGE_IN_USE', message: /base\.raw is being written by qemu-nbd/ });
  await release();
});

t.test('an image that QEMU has open for writing is refused, whatever its format', async (t) => {
  const directory = temporaryDirectory(t);
  for (const format of ['qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc']) {
    const path = join(directory, `disk.${format}`);
    qemuImg('create', '-q', '-f', format, path, '4M');
    const release = await holdForWriting(t, path, format);
    await t.rejects(openImage(path), { code: 'IMAGE_IN_USE', message: /is being written by qemu-nbd/ }, format);
    await release();
    const image = await openImage(path);
    t.match(await qemuIo(path, format, 'write 0 1k'), /Failed to get .* lock/, format);
    await image.close();
  }
});

t.test('a data file is part of the image, and never guessed at', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'disk.qcow2');
  const data = join(directory, 'data.raw');
  for (const name of ['data.raw', data]) {
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', `data_file=${name},data_file_raw=on`, path, '1M'], {
      cwd: directory,
    });
    writeFileSync(data, Buffer.concat([Buffer.from('QFI\xfb\0\0\0\x03', 'latin1'), Buffer.alloc(MIB - 8, 4)]));
    const image = await openImage(path, { clock: LATER });
    t.ok((await contentOf(image)).equals(readFileSync(data)));
    t.equal(image.fingerprint?.split(' ').length, 3);
    await image.close();
  }
  rmSync(data);
  await t.rejects(openImage(path), { code: 'IMAGE_FORMAT', message: /lacks the data file/ });
});
