import t from 'tap';
import { uniqueNames } from '../../../mount/files/device-names.js';

t.test('names that can stand in one directory', async (t) => {
  t.strictSame(uniqueNames(['vda1', 'vg0-root']), ['vda1', 'vg0-root']);
  t.strictSame(uniqueNames(['a', 'a', 'a-2', 'a']), ['a', 'a-2', 'a-2-2', 'a-3'], 'the first keeps its name');
  t.strictSame(uniqueNames(['by-label', 'by-uuid']), ['by-label-2', 'by-uuid-2']);
  t.strictSame(uniqueNames(['x', 'x.unreadable.txt']), ['x', 'x.unreadable.txt-2']);
  const wrong = uniqueNames(['a/b', '', '.', 'n'.repeat(250)]);
  t.strictSame(wrong, ['unnamed', 'unnamed-2', 'unnamed-3', 'unnamed-4']);
});
