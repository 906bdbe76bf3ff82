import { closeSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { advise, allocate, punchHole, seekData, seekHole } from '../../../src/system/sparse-file.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

function newFile(t: Test): { readonly fd: number; readonly path: string } {
  const path = join(temporaryDirectory(t), 'file');
  const fd = openSync(path, 'w+');
  t.teardown(() => {
    closeSync(fd);
  });
  return { fd, path };
}

t.test('data and holes are found, past 4 GiB as well', async (t) => {
  const { fd } = newFile(t);
  const far = 5 * 1024 * MIB;
  ftruncateSync(fd, far + 3 * MIB);
  writeSync(fd, Buffer.alloc(MIB, 1), 0, MIB, far);
  t.equal(seekHole(fd, 0), 0);
  t.equal(seekData(fd, 0), far);
  t.equal(seekHole(fd, far), far + MIB);
  t.equal(seekData(fd, far + MIB), undefined);
  t.throws(() => seekHole(fd, far + 3 * MIB), { code: 'ENXIO', syscall: 'lseek' });
});

t.test('space is reserved and given back', async (t) => {
  const { fd, path } = newFile(t);
  allocate(fd, 0, 4 * MIB);
  t.equal(statSync(path).size, 4 * MIB);
  t.ok(statSync(path).blocks * 512 >= 4 * MIB);
  writeSync(fd, Buffer.alloc(4 * MIB, 7), 0, 4 * MIB, 0);
  punchHole(fd, MIB, MIB);
  t.ok(statSync(path).blocks * 512 < 4 * MIB);
  t.equal(seekHole(fd, 0), MIB);
  const bytes = Buffer.alloc(4 * MIB);
  readSync(fd, bytes, 0, 4 * MIB, 0);
  t.ok(bytes.subarray(0, MIB).every((byte) => byte === 7));
  t.ok(bytes.subarray(MIB, 2 * MIB).every((byte) => byte === 0));
  t.equal(statSync(path).size, 4 * MIB);
});

t.test('advice never fails', async (t) => {
  const { fd } = newFile(t);
  t.doesNotThrow(() => {
    advise(fd, 0, 0, 'sequential');
    advise(fd, 0, MIB, 'willNeed');
    advise(1000, 0, 0, 'dontNeed');
  });
});
