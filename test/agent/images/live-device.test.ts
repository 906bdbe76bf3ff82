// A real block device, a loop over a file, which is mounted and written meanwhile. Needs root, and never skips.
import { execFileSync } from 'node:child_process';
import {
  fsyncSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LiveDevice } from '../../../agent/images/live-device.js';
import { alignedBuffer } from '../../../src/system/aligned-buffer.js';
import { contentOf } from '../../kit/image-content.js';
import { loopDevice } from '../../kit/loop-device.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

async function opened(t: Test, device: string): Promise<LiveDevice> {
  const live = await LiveDevice.open(device);
  t.teardown(() => live.close());
  return live;
}

function writeThrough(path: string, data: Buffer, offset: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, data, 0, data.length, offset);
  fsyncSync(fd);
  closeSync(fd);
}

t.test('a device that nobody writes, and one that is written', async (t) => {
  const random = new Random(testSeed(t));
  const file = join(temporaryDirectory(t), 'disk');
  // No multiple of a page.
  const content = random.bytes(3 * MIB + 512);
  writeFileSync(file, content);
  const device = loopDevice(t, file);
  const live = await opened(t, device);
  t.match(live, { format: 'raw', sizeBytes: content.length, fingerprint: undefined, fd: undefined });
  t.ok((await contentOf(live)).equals(content));
  for (const [offset, length] of [
    [1, 5000],
    [MIB - 3, 2 * MIB],
    [content.length - 7, 7],
  ] as const) {
    const target = Buffer.alloc(length);
    await live.read(target, offset);
    t.ok(target.equals(content.subarray(offset, offset + length)), `${length} at ${offset}`);
  }
  await live.assertUnchanged();
  t.equal(live.consistency, 'crash', 'of one instant');
  writeThrough(device, Buffer.alloc(4096, 7), 8192);
  await live.assertUnchanged();
  t.equal(live.consistency, 'none', 'written meanwhile');
  await live.close();
});

t.test('a mounted file system: what the device has, not what a cache has kept', async (t) => {
  const directory = temporaryDirectory(t);
  const [file, mountPoint] = [join(directory, 'disk'), join(directory, 'mount')];
  writeFileSync(file, '');
  truncateSync(file, 16 * MIB);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', file]);
  const device = loopDevice(t, file);
  mkdirSync(mountPoint);
  execFileSync('mount', [device, mountPoint]);
  t.teardown(() => execFileSync('umount', [mountPoint]));
  readFileSync(device);
  const data = new Random(testSeed(t)).bytes(3 * MIB);
  writeFileSync(join(mountPoint, 'data'), data);
  execFileSync('sync', ['-f', mountPoint]);
  const live = await opened(t, device);
  const content = await contentOf(live);
  t.ok(content.indexOf(data.subarray(0, 4096)) > 0, 'what was written since is there');
  writeThrough(join(mountPoint, 'data'), data.subarray(0, 5000), MIB);
  await live.assertUnchanged();
  t.equal(live.consistency, 'none');
});

t.test('a device that is resized or taken away', async (t) => {
  const file = join(temporaryDirectory(t), 'disk');
  writeFileSync(file, Buffer.alloc(MIB, 1));
  const device = loopDevice(t, file);
  const live = await opened(t, device);
  truncateSync(file, 2 * MIB);
  execFileSync('losetup', ['--set-capacity', device]);
  await t.rejects(live.assertUnchanged(), { code: 'IMAGE_CHANGED', message: /was resized/ });
  truncateSync(file, MIB / 2);
  execFileSync('losetup', ['--set-capacity', device]);
  await t.rejects(live.read(Buffer.alloc(MIB), 0), { code: 'IMAGE_CHANGED', message: /shorter/ });
  const link = join(temporaryDirectory(t), 'link');
  execFileSync('ln', ['-s', device, link]);
  const named = await opened(t, link);
  execFileSync('rm', [link]);
  await t.rejects(named.assertUnchanged(), { code: 'IMAGE_CHANGED', message: /was taken away/ });
  await named.close();
  await t.rejects(named.read(Buffer.alloc(1), 0), { code: 'IMAGE_FAILED' });
});

t.test('what is no block device', async (t) => {
  const file = join(temporaryDirectory(t), 'file');
  await t.rejects(LiveDevice.open(file), { code: 'IMAGE_NOT_FOUND' });
  writeFileSync(file, 'x');
  await t.rejects(LiveDevice.open(file), { code: 'IMAGE_FORMAT' });
  // A node whose device is not there.
  const node = join(temporaryDirectory(t), 'node');
  execFileSync('mknod', [node, 'b', '240', '77']);
  await t.rejects(LiveDevice.open(node), { code: 'IMAGE_FAILED' });
});

t.test('memory that begins at a page', (t) => {
  for (let turn = 0; turn < 8; turn++) t.equal(alignedBuffer(8192).length, 8192);
  t.end();
});
