import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { blockDeviceSize, discardDeviceRange, zeroDeviceRange } from '../../../src/system/block-device.js';
import { loopDevice } from '../../kit/loop-device.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

t.test('a loop device: size, zeroing, discarding', async (t) => {
  const file = join(temporaryDirectory(t), 'disk');
  writeFileSync(file, Buffer.alloc(3 * MIB + 512, 9));
  const device = loopDevice(t, file);
  const fd = openSync(device, 'r+');
  t.equal(blockDeviceSize(fd), 3 * MIB + 512);
  zeroDeviceRange(fd, MIB, 4096);
  discardDeviceRange(fd, 2 * MIB, 4096);
  closeSync(fd);
  const bytes = readFileSync(file);
  t.equal(bytes[MIB - 1], 9);
  t.ok(bytes.subarray(MIB, MIB + 4096).every((byte) => byte === 0));
  t.equal(bytes[MIB + 4096], 9);
});

t.test('not a block device', async (t) => {
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, 'x');
  const fd = openSync(file, 'r');
  t.throws(() => blockDeviceSize(fd), { code: 'ENOTTY', syscall: 'ioctl' });
  closeSync(fd);
});
