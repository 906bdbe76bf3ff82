import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { tryFlock } from '../../../src/system/file-locks.js';
import { lockedFileName, parseProcLocks, readProcLocks } from '../../../src/system/proc-locks.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('lines of every kind', async (t) => {
  const text = [
    '1: OFDLCK ADVISORY  READ -1 fe:00:131 100 101',
    '2: FLOCK  ADVISORY  WRITE 4242 00:1b:7 0 EOF',
    '2: -> FLOCK  ADVISORY  WRITE 4243 00:1b:7 0 EOF',
    '3: LEASE  ACTIVE    UNLCK 12 00:1b:9 0 EOF',
    'what is this',
    '',
  ].join('\n');
  t.same(parseProcLocks(text), [
    { type: 'OFDLCK', kind: 'shared', pid: -1, file: 'fe:00:131', start: 100, end: 101 },
    { type: 'FLOCK', kind: 'exclusive', pid: 4242, file: '00:1b:7', start: 0, end: Infinity },
  ]);
});

t.test('device numbers are written in hex', async (t) => {
  t.equal(lockedFileName(0x21_0305n, 1n), '103:205:1');
  t.equal(lockedFileName(0xfe00n, 131n), 'fe:00:131');
});

t.test('a lock that this process holds is listed', async (t) => {
  const fd = openSync(join(temporaryDirectory(t), 'file'), 'w');
  tryFlock(fd, 'exclusive');
  const { dev, ino } = fstatSync(fd, { bigint: true });
  const mine = (await readProcLocks()).filter((lock) => lock.file === lockedFileName(dev, ino));
  t.match(mine, [{ type: 'FLOCK', kind: 'exclusive', pid: process.pid }]);
  closeSync(fd);
});
