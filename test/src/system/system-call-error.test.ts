import t from 'tap';
import { SystemCallError } from '../../../src/system/system-call-error.js';

t.test('it is named as manual pages name it', (t) => {
  t.match(new SystemCallError('flock', 11), { code: 'EAGAIN', errno: 11, syscall: 'flock' });
  t.equal(new SystemCallError('fallocate', 95).code, 'EOPNOTSUPP');
  t.end();
});
