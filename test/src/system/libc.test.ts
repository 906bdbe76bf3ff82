import { closeSync, openSync } from 'node:fs';
import t from 'tap';
import { libc, systemCall } from '../../../src/system/libc.js';

t.test('the library is loaded once', async (t) => {
  t.equal(libc(), libc());
});

t.test('a call returns its result, or throws what errno says', async (t) => {
  const fd = openSync('/dev/null', 'r');
  t.equal(
    systemCall('lseek', () => libc().lseek(fd, 0, 0)),
    0,
  );
  closeSync(fd);
  t.throws(() => systemCall('lseek', () => libc().lseek(fd, 0, 99)), { name: 'SystemCallError', syscall: 'lseek' });
});

t.test('interrupted calls are made again', async (t) => {
  const koffi = (await import('koffi')).default;
  let calls = 0;
  const result = systemCall('wait', () => {
    calls++;
    koffi.errno(4);
    return calls < 3 ? -1 : 7;
  });
  t.same([calls, result], [3, 7]);
});
