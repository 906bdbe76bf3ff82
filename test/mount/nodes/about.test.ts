import t from 'tap';
import { FakeSource } from '../../kit/fake-source.js';
import { readAll, treeOf } from '../../kit/tree.js';

t.test('JSON for people: indented, with a newline at the end', async (t) => {
  const source = new FakeSource();
  const version = source.add('vm', 1000);
  const tree = treeOf(source);
  const path = `/vm/${version}/about.json`;
  const text = (await readAll(tree, path)).toString();
  t.equal(text, `{\n  "machine": "vm",\n  "shadowCopy": "${version}",\n  "consistency": "offline"\n}\n`);
  t.match(await tree.stat(path), { kind: 'file', permissions: 0o444, sizeBytes: text.length, mtimeMs: 1000 });
});
