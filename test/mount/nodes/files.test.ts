import t from 'tap';
import { FakeFilesystem } from '../../kit/filesystems/fake-filesystem.js';
import { FakeSource } from '../../kit/fake-source.js';
import { filesOf, fixedDevices, namesIn, OWNER, readAll, treeOf } from '../../kit/tree.js';

function named(label: string, uuid: string): FakeFilesystem {
  return Object.assign(new FakeFilesystem(), { label, uuid });
}

function setUp(devices: Parameters<typeof fixedDevices>[0]) {
  const source = new FakeSource();
  const top = `/vm/${source.add('vm', 1000)}/files`;
  const tree = treeOf(source, undefined, filesOf(source, fixedDevices(devices)));
  return { source, tree, top };
}

t.test('a folder for each file system, a text for what can not be read', async (t) => {
  const { tree, top, source } = setUp({ vda1: named('a', '1'), vda2: 'swap space\n', 'vg0-root': named('b', '2') });
  t.match(await tree.stat(top), { kind: 'directory', nlink: 1, ...OWNER, mtimeMs: 1000 });
  t.equal(source.opens, 0, 'a look at the directory opens nothing');
  t.strictSame(await namesIn(tree, top), ['vda1', 'vda2.unreadable.txt', 'vg0-root', 'by-label', 'by-uuid']);
  t.match(await tree.stat(`${top}/vda1`), { kind: 'directory', permissions: 0o755, uid: 1000, nlink: 2 });
  t.equal((await readAll(tree, `${top}/vda2.unreadable.txt`)).toString(), 'swap space\n');
  t.match(await tree.stat(`${top}/vda2.unreadable.txt`), { kind: 'file', permissions: 0o444, sizeBytes: 11, ...OWNER });
  for (const name of ['vda2', 'vda1.unreadable.txt', 'vdb', 'vdb.unreadable.txt', '.unreadable.txt']) {
    await t.rejects(async () => await tree.stat(`${top}/${name}`), { code: 'ENOENT' }, name);
  }
});

t.test('links by label and UUID', async (t) => {
  const { tree, top } = setUp({
    vda1: named('root', 'cafe'),
    vda2: 'swap space\n',
    vda3: named('root', 'cafe'),
    vda4: named('a/b \\x2f', ''),
    vda5: named('..', 'x'.repeat(300)),
  });
  t.strictSame(await namesIn(tree, `${top}/by-label`), ['root', 'root-2', 'a\\x2fb \\x5cx2f', '\\x2e\\x2e']);
  t.strictSame(await namesIn(tree, `${top}/by-uuid`), ['cafe', 'cafe-2']);
  t.equal(await tree.readlink(`${top}/by-label/root`), '../vda1');
  t.equal(await tree.readlink(`${top}/by-label/root-2`), '../vda3');
  t.equal(await tree.readlink(`${top}/by-uuid/cafe-2`), '../vda3');
  const expected = { kind: 'link', permissions: 0o777, nlink: 1, ...OWNER, sizeBytes: 7, blocks: 0, mtimeMs: 1000 };
  t.match(await tree.stat(`${top}/by-label/root`), expected);
  t.match(await tree.stat(`${top}/by-label`), { kind: 'directory', nlink: 2 });
  await t.rejects(async () => await tree.stat(`${top}/by-label/none`), { code: 'ENOENT' });
});

t.test('every entry has the number that its stat has, and one of its own', async (t) => {
  const { tree, top } = setUp({ vda1: named('a', '1'), vda2: 'swap space\n', vda3: named('b', '2') });
  const seen = new Set<number>();
  for (const directory of [top, `${top}/by-label`, `${top}/by-uuid`, `${top}/vda1`]) {
    for (const { name, ino, kind } of await tree.list(directory)) {
      t.match(await tree.stat(`${directory}/${name}`), { ino, kind }, name);
      t.notOk(seen.has(ino), name);
      seen.add(ino);
    }
  }
});
