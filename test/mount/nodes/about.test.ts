import t from 'tap';
import { FakeSource } from '../../kit/fake-source.js';
import { UmbraError } from '../../../src/common/errors.js';
import { FakeFilesystem } from '../../kit/filesystems/fake-filesystem.js';
import { filesOf, fixedDevices, readAll, treeOf } from '../../kit/tree.js';

t.test('JSON for people: indented, with a newline at the end', async (t) => {
  const source = new FakeSource();
  const version = source.add('vm', 1000);
  const tree = treeOf(source);
  const path = `/vm/${version}/about.json`;
  const text = (await readAll(tree, path)).toString();
  const known = `"machine": "vm",\n  "shadowCopy": "${version}",\n  "consistency": "offline"`;
  t.equal(text, `{\n  ${known},\n  "filesystems": []\n}\n`);
  t.match(await tree.stat(path), { kind: 'file', permissions: 0o444, sizeBytes: text.length, mtimeMs: 1000 });
});

t.test('what is known of its file systems', async (t) => {
  const source = new FakeSource();
  const path = `/vm/${source.add('vm', 1000)}/about.json`;
  const root = new FakeFilesystem();
  Object.assign(root, { label: 'root', uuid: 'cafe', journal: { state: 'replayed' }, problems: ['one is odd'] });
  const data = new FakeFilesystem();
  data.journal = { state: 'ignored', reason: 'its checksum is wrong' };
  data.usage = () => Promise.reject(new UmbraError('FILESYSTEM_DAMAGED', 'the bitmap is gone'));
  const find = fixedDevices({ vda1: root, vda2: 'swap space\n', 'vg0-data': data });
  const tree = treeOf(source, undefined, filesOf(source, find));
  const { filesystems } = JSON.parse((await readAll(tree, path)).toString()) as { filesystems: unknown };
  t.strictSame(filesystems, [
    {
      name: 'vda1',
      type: 'fake',
      label: 'root',
      uuid: 'cafe',
      sizeBytes: 4_096_000,
      usedBytes: 750 * 4096,
      journal: 'replayed',
      problems: ['one is odd'],
    },
    { name: 'vda2', sizeBytes: 1_000_000, unreadable: 'swap space', problems: [] },
    {
      name: 'vg0-data',
      type: 'fake',
      label: '',
      uuid: '',
      sizeBytes: 4_096_000,
      usedBytes: null,
      journal: 'ignored (its checksum is wrong)',
      problems: ['what is used could not be counted: the bitmap is gone'],
    },
  ]);
});

t.test('volumes that can not be searched are a problem that is told', async (t) => {
  const source = new FakeSource();
  const path = `/vm/${source.add('vm', 1000)}/about.json`;
  const broken = (): Promise<never> => Promise.reject(new UmbraError('STORE_DAMAGED', 'chunk c0ffee is damaged'));
  const text = (await readAll(treeOf(source, undefined, filesOf(source, broken)), path)).toString();
  t.match(JSON.parse(text), {
    machine: 'vm',
    filesystems: [],
    problems: ['the volumes cannot be searched for file systems: chunk c0ffee is damaged'],
  });
});
