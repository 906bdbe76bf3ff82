import t from 'tap';
import { FakeSource } from '../../kit/fake-source.js';
import { treeOf } from '../../kit/tree.js';

t.test('it points at the shadow copy made last', async (t) => {
  const source = new FakeSource();
  const tree = treeOf(source);
  const first = source.add('vm', 1000);
  t.equal(await tree.readlink('/vm/latest'), first);
  const { ino } = await tree.stat('/vm/latest');
  const second = source.add('vm', 1000);
  t.equal(await tree.readlink('/vm/latest'), second);
  t.match(await tree.stat('/vm/latest'), { kind: 'link', ino, permissions: 0o777, sizeBytes: second.length });
});

t.test('a tree of an old shadow copy has none', async (t) => {
  const source = new FakeSource();
  const version = source.add('vm', 1000);
  source.add('vm', 2000);
  const tree = treeOf(source, { machine: 'vm', version });
  await t.rejects(async () => await tree.stat('/vm/latest'), { code: 'ENOENT' });
});
