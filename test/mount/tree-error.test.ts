import t from 'tap';
import { TreeError } from '../../mount/tree-error.js';

t.test('it names the path', (t) => {
  const error = new TreeError('ENOTDIR', '/vm/latest/x');
  t.match(error, { code: 'ENOTDIR', name: 'TreeError', message: '/vm/latest/x: not a directory' });
  t.ok(error instanceof Error);
  t.end();
});
