import { open } from 'node:fs/promises';
import t from 'tap';
import { errnoOf } from '../../../agent/filter/errno.js';
import { Handles } from '../../../agent/filter/handles.js';

t.test('handles are bounded and never used for another file while they are open', async (t) => {
  const handle = await open('/dev/null');
  t.teardown(() => handle.close());
  const handles = new Handles();
  const file = { handle, file: undefined };
  const first = handles.add(file);
  t.equal(handles.get(first), file);
  t.equal(handles.live(first), file);
  for (let count = 1; count < 65_536; count++) handles.add(file);
  t.throws(() => handles.add(file), { message: 'ENFILE' });
  t.equal(handles.remove(first), file);
  t.throws(() => handles.get(first), { message: 'EBADF' });
  t.equal(handles.remove(first), undefined);
  t.equal(handles.removeAll().length, 65_535);
  t.equal(handles.size, 0);
});

t.test('what is no error of a system call is EIO', async (t) => {
  t.equal(errnoOf(new TypeError('ours')), -5);
  t.equal(errnoOf({ errno: 28 }), -28);
  t.equal(errnoOf({ errno: -28 }), -28);
});
