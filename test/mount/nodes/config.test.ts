import t from 'tap';
import { FakeSource } from '../../kit/fake-source.js';
import { namesIn, OWNER, readAll, treeOf } from '../../kit/tree.js';

const config = ['vm.xml', '../../etc/passwd', '..', '', 'nvram'].map((name) => ({
  name,
  data: Buffer.from(`of ${name}`),
}));

t.test('files that only the owner reads', async (t) => {
  const source = new FakeSource();
  const top = `/vm/${source.add('vm', 1000, { config })}/config`;
  const tree = treeOf(source);
  t.match(await tree.stat(`${top}/nvram`), { kind: 'file', permissions: 0o400, sizeBytes: 8, mtimeMs: 1000, ...OWNER });
  t.equal((await readAll(tree, `${top}/vm.xml`)).toString(), 'of vm.xml');
});

t.test('a name that would lead elsewhere is not shown', async (t) => {
  const source = new FakeSource();
  const top = `/vm/${source.add('vm', 1000, { config })}/config`;
  const tree = treeOf(source);
  t.strictSame(await namesIn(tree, top), ['vm.xml', 'nvram']);
  await t.rejects(async () => await tree.stat(`${top}/..`), { code: 'ENOENT' });
});
