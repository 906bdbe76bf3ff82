import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { GuestShortcut } from '../../../mount/nodes/guest-shortcut.js';
import { FakeFilesystem } from '../../kit/filesystems/fake-filesystem.js';
import { FakeSource } from '../../kit/fake-source.js';
import { filesOf, fixedDevices, readAll, treeOf } from '../../kit/tree.js';

t.test('leads where the last walk led, as long as there is a way', (t) => {
  const shortcut = new GuestShortcut();
  t.equal(shortcut.find('/vm/v/files/vda1/a'), undefined);
  const asked: string[] = [];
  const nodes = {
    node: (path: string) => {
      asked.push(path);
      return undefined;
    },
  };
  let isOpen = true;
  shortcut.note('/vm/v/files/vda1/', () => (isOpen ? nodes : undefined));
  t.strictSame(shortcut.find('/vm/v/files/vda1/a/b'), { node: undefined });
  t.strictSame(shortcut.find('/vm/v/files/vda1/'), { node: undefined });
  t.strictSame(asked, ['a/b', '']);
  for (const path of ['/vm/v/files/vda1', '/vm/v/files/vda10/a', '/vm/v/files/vda1//a', '/']) {
    t.equal(shortcut.find(path), undefined, path);
  }
  isOpen = false;
  t.equal(shortcut.find('/vm/v/files/vda1/a'), undefined);
  isOpen = true;
  t.equal(shortcut.find('/vm/v/files/vda1/a'), undefined, 'it is not asked again');
  t.equal(asked.length, 2);
  t.end();
});

function setUp() {
  const source = new FakeSource();
  source.isAtOnce = true;
  const version = source.add('vm', 1000);
  const filesystem = new FakeFilesystem();
  filesystem.add('f', {}, { content: Buffer.from('old') });
  const devices: Record<string, FakeFilesystem> = { vda1: filesystem };
  const files = filesOf(source, (volumes) => fixedDevices(devices)(volumes));
  const tree = treeOf(source, undefined, files);
  return { source, version, devices, files, tree, path: `/vm/${version}/files/vda1/f` };
}

t.test('a shadow copy that was forgotten is not found by it, nor another one of its name taken for it', async (t) => {
  const { source, version, devices, tree, path } = setUp();
  for (let look = 0; look < 3; look++) t.equal((await readAll(tree, path)).toString(), 'old');
  source.forget('vm', version);
  await t.rejects(async () => await tree.stat(path), { code: 'ENOENT' });
  const changed = new FakeFilesystem();
  changed.add('f', {}, { content: Buffer.from('new') });
  devices['vda1'] = changed;
  t.equal(source.add('vm', 1000), version);
  for (let look = 0; look < 3; look++) t.equal((await readAll(tree, path)).toString(), 'new');
});

t.test('file systems that were let go of are opened anew', async (t) => {
  const { devices, files, tree, path } = setUp();
  t.equal((await readAll(tree, path)).toString(), 'old');
  const changed = new FakeFilesystem();
  changed.add('f', {}, { content: Buffer.from('new') });
  devices['vda1'] = changed;
  files.close();
  t.equal((await readAll(tree, path)).toString(), 'new');
});

t.test('what is at once is given at once, with an open file system and without a promise', async (t) => {
  const { tree, path } = setUp();
  await tree.stat(path);
  t.notOk(tree.resolve(path) instanceof Promise);
  t.match(tree.resolve(path), { kind: 'file' });
});

t.test('a list of shadow copies that fails does so for who asks', async (t) => {
  const { source, tree, path } = setUp();
  await tree.stat(path);
  source.shadowCopies = () => Promise.reject(new RangeError('a defect'));
  await t.rejects(async () => await tree.stat(path), { message: 'a defect' });
});

t.test('what was let go of is not kept in memory by it', async (t) => {
  const gc = collector();
  const { devices, files, tree, path } = setUp();
  const filesystem = weaklyHeld(devices['vda1']);
  await tree.stat(path);
  devices['vda1'] = new FakeFilesystem();
  files.close();
  for (let turn = 0; turn < 10 && filesystem.deref() !== undefined; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
  t.equal(filesystem.deref(), undefined);
});

function weaklyHeld(filesystem: FakeFilesystem | undefined): WeakRef<FakeFilesystem> {
  if (filesystem === undefined) throw new Error('there is no file system');
  return new WeakRef(filesystem);
}

/** V8's collector, which has a name only when it is asked for. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
