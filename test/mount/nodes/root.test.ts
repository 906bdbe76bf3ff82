import t from 'tap';
import { FakeSource } from '../../kit/fake-source.js';
import { MADE_AT_MS, namesIn, OWNER, treeOf } from '../../kit/tree.js';

t.test('a directory for each machine', async (t) => {
  const source = new FakeSource();
  const tree = treeOf(source);
  t.strictSame(await namesIn(tree, '/'), []);
  t.match(await tree.stat('/'), {
    kind: 'directory',
    ino: 1,
    nlink: 2,
    permissions: 0o555,
    mtimeMs: MADE_AT_MS,
    ...OWNER,
  });
  source.add('b', 0);
  source.add('a', 0);
  t.strictSame(await namesIn(tree, '/'), ['a', 'b']);
  t.equal((await tree.stat('/')).nlink, 4);
});
