import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import t from 'tap';
import { setCloseOnExec } from '../../../src/system/close-on-exec.js';
import { libc } from '../../../src/system/libc.js';

const F_SETFD = 2;

/** Whether a program that this process starts has the descriptor. */
function isInherited(fd: number): boolean {
  return execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).split('\n').includes(String(fd));
}

t.test('the descriptor is not inherited any more', (t) => {
  const fd = openSync('/dev/null', 'r');
  // Node.js opens files with the flag set; other libraries don't.
  libc().fcntl(fd, F_SETFD, 'int', 0);
  t.ok(isInherited(fd));
  setCloseOnExec(fd);
  t.notOk(isInherited(fd));
  closeSync(fd);
  t.end();
});

t.test('a descriptor that is not open', (t) => {
  const notOpen = () => {
    setCloseOnExec(999_999);
  };
  t.throws(notOpen, { code: 'EBADF' });
  t.end();
});
