import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { lockForReading } from '../../../agent/images/qemu-locks.js';
import { tryLockRange } from '../../../src/system/file-locks.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('conflicts with whoever writes, resizes or wants no readers, and with nobody else', async (t) => {
  const path = join(temporaryDirectory(t), 'disk');
  writeFileSync(path, 'x');
  const cases = [
    [100, 'locked'],
    [101, 'conflict'],
    [102, 'locked'],
    [103, 'conflict'],
    [200, 'conflict'],
    [201, 'locked'],
    [203, 'locked'],
  ] as const;
  for (const [byte, expected] of cases) {
    const other = openSync(path, 'r');
    const mine = openSync(path, 'r');
    tryLockRange(other, 'shared', byte, 1);
    t.equal(lockForReading(mine), expected, `byte ${byte}`);
    closeSync(mine);
    closeSync(other);
  }
});

t.test('other errors are not taken for a file system without locks', async (t) => {
  t.throws(() => lockForReading(10_000), { code: 'EBADF' });
});
