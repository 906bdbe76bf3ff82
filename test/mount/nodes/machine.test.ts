import t from 'tap';
import { FakeSource } from '../../kit/fake-source.js';
import { namesIn, treeOf } from '../../kit/tree.js';

t.test('its time is that of its latest shadow copy, in whatever order they were made', async (t) => {
  const source = new FakeSource();
  source.add('vm', 5000);
  source.add('vm', 3000);
  const tree = treeOf(source);
  t.match(await tree.stat('/vm'), { kind: 'directory', nlink: 4, mtimeMs: 3000 });
  t.strictSame(await namesIn(tree, '/vm'), ['1970-01-01T00-00-05Z', '1970-01-01T00-00-03Z', 'latest']);
});

t.test('two of the same second', async (t) => {
  const source = new FakeSource();
  source.add('vm', 1000);
  source.add('vm', 1999);
  const tree = treeOf(source);
  t.equal((await tree.stat('/vm/1970-01-01T00-00-01Z-2')).mtimeMs, 1999);
});
