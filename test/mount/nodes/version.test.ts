import t from 'tap';
import { FakeSource } from '../../kit/fake-source.js';
import { namesIn, treeOf } from '../../kit/tree.js';

t.test('what it holds is known without opening it', async (t) => {
  const source = new FakeSource();
  const version = source.add('vm', 1000);
  const tree = treeOf(source);
  t.strictSame(await namesIn(tree, `/vm/${version}`), ['about.json', 'config', 'files', 'volumes']);
  t.match(await tree.stat(`/vm/${version}`), { kind: 'directory', nlink: 5, mtimeMs: 1000 });
  t.match(await tree.stat(`/vm/${version}/volumes`), { kind: 'directory', nlink: 2, mtimeMs: 1000 });
  await t.rejects(async () => await tree.stat(`/vm/${version}/other`), { code: 'ENOENT' });
  t.equal(source.opens, 0);
});
