import { execFileSync } from 'node:child_process';
import { realpathSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { blockDeviceUse, deviceName, writableLoopDevices } from '../../../src/system/block-device-users.js';
import { loopDevice } from '../../kit/loop-device.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('mounts of a device, and loop devices of a file', async (t) => {
  const directory = realpathSync(temporaryDirectory(t));
  const path = join(directory, 'disk');
  writeFileSync(path, '');
  truncateSync(path, 4 * 1024 * 1024);
  execFileSync('mkfs.ext4', ['-q', path]);
  t.same(await writableLoopDevices(path), []);
  const device = loopDevice(t, path);
  t.same(await writableLoopDevices(path), [device]);
  const { rdev } = statSync(device, { bigint: true });
  t.match(deviceName(rdev), /^7:\d+$/);
  t.equal(await blockDeviceUse(rdev), undefined);
  execFileSync('mount', [device, directory]);
  try {
    t.equal(await blockDeviceUse(rdev), `mounted at ${directory}`);
  } finally {
    execFileSync('umount', [directory]);
  }
});
