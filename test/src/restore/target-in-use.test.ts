import { closeSync, openSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';

import {
  assertNoLoopDevice,
  assertNotMounted,
  assertNoWriter,
  lockTarget,
} from '../../../src/restore/target-in-use.js';
import type { MountEntry } from '../../../src/system/mounts.js';
import { loopDevice } from '../../kit/loop-device.js';
import { temporaryDirectory } from '../../kit/temporary.js';

function emptyFile(t: Test): string {
  const file = join(temporaryDirectory(t), 'disk');
  writeFileSync(file, '');
  truncateSync(file, 1024 * 1024);
  return file;
}

t.test('a lock excludes another one, until the file is closed', async (t) => {
  const file = emptyFile(t);
  const first = openSync(file, 'r+');
  const second = openSync(file, 'r+');
  lockTarget(first, file);
  t.throws(
    () => {
      lockTarget(second, file);
    },
    { code: 'TARGET_BUSY', message: /has locked it/ },
  );
  closeSync(first);
  t.doesNotThrow(() => {
    lockTarget(second, file);
  });
  closeSync(second);
});

t.test('who has a file open for writing', async (t) => {
  const file = emptyFile(t);
  const reader = openSync(file, 'r');
  await t.resolves(assertNoWriter(file), 'a reader does no harm');
  const writer = openSync(file, 'a');
  await t.rejects(assertNoWriter(file), { code: 'TARGET_BUSY', message: new RegExp(`\\(process ${process.pid}\\)`) });
  closeSync(reader);
  closeSync(writer);
  await t.resolves(assertNoWriter(file));
});

t.test('loop devices', async (t) => {
  const file = emptyFile(t);
  const stats = statSync(file, { bigint: true });
  await t.resolves(assertNoLoopDevice(file, stats, []));
  const device = loopDevice(t, file);
  const shown = { code: 'TARGET_BUSY', message: new RegExp(device) };
  await t.rejects(assertNoLoopDevice(file, stats, []), shown);
  await t.rejects(assertNoLoopDevice('/another/name', stats, []), shown, 'the same file by another name');
  const mount: MountEntry = {
    ...{ id: 1, device: '0:1', root: '/', mountPoint: dirname(file), type: 'fuse.umbra', source: 'umbra' },
    superOptions: [],
  };
  await t.resolves(assertNoLoopDevice('/another/name', stats, [mount]), 'what lies in a mount of Umbra is not touched');
  await t.resolves(assertNotMounted(device, statSync(device, { bigint: true }).rdev));
});
