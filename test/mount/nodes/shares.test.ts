import t from 'tap';
import { snapshotName } from '../../../mount/nodes/snapshot-names.js';
import type { Share } from '../../../src/common/share-names.js';
import { FakeSource } from '../../kit/fake-source.js';
import { FakeFilesystem } from '../../kit/filesystems/fake-filesystem.js';
import { filesOf, fixedDevices, namesIn, readAll, treeOf } from '../../kit/tree.js';

const TIME_MS = Date.UTC(2026, 10, 22, 10, 15, 0);

class SharingSource extends FakeSource {
  list: readonly Share[] = [{ name: 'data', machine: 'web1', path: 'vda1/srv/data' }];

  shares(): readonly Share[] {
    return this.list;
  }
}

function guest(): FakeFilesystem {
  const filesystem = new FakeFilesystem();
  for (const path of ['srv', 'srv/data', 'srv/data/docs'])
    filesystem.add(path, { type: 'directory', permissions: 0o700 });
  filesystem.add('srv/data/report', { permissions: 0o600 }, { content: Buffer.from('text') });
  filesystem.add('srv/data/docs/link', { type: 'symlink', permissions: 0o777 }, { target: 'x' });
  return filesystem;
}

function setUp(filesystem = guest()) {
  const source = new SharingSource();
  const versions = [0, 1, 2].map((hour) => source.add('web1', TIME_MS + hour * 3_600_000));
  const files = filesOf(source, fixedDevices({ vda1: filesystem }));
  return { source, versions, files, tree: treeOf(source, undefined, files) };
}

t.test('a share has its newest files and those of each shadow copy', async (t) => {
  const { tree, source, versions } = setUp();
  t.strictSame(await namesIn(tree, '/'), ['web1', '.shares']);
  t.strictSame(await namesIn(tree, '/.shares'), ['data']);
  t.strictSame(await namesIn(tree, '/.shares/data'), ['live', '.snapshots']);
  t.equal(await tree.readlink('/.shares/data/live'), versions[2]);
  t.match(await tree.stat('/.shares/data/live'), { kind: 'link', sizeBytes: 20, mtimeMs: TIME_MS + 7_200_000 });
  t.equal(source.opens, 0);
  t.strictSame(await namesIn(tree, '/.shares/data/.snapshots'), [
    '@GMT-2026.11.22-10.15.00',
    '@GMT-2026.11.22-11.15.00',
    '@GMT-2026.11.22-12.15.00',
  ]);
  t.equal(source.opens, 0, 'lists open nothing');
  for (const top of ['/.shares/data/.snapshots/@GMT-2026.11.22-11.15.00', `/.shares/data/${String(versions[1])}`]) {
    t.strictSame(await namesIn(tree, top), ['docs', 'report']);
    t.equal((await readAll(tree, `${top}/report`)).toString(), 'text');
    t.equal(await tree.readlink(`${top}/docs/link`), 'x');
    t.match(await tree.stat(`${top}/report`), { kind: 'file', permissions: 0o600 }, 'with the modes of the guest');
    t.match(await tree.usage(top), { blocks: 1000 });
    t.equal((await tree.xattrs(top)).size, 0);
  }
  source.add('web1', TIME_MS + 4 * 3_600_000);
  t.equal(await tree.readlink('/.shares/data/live'), '2026-11-22T14-15-00Z', 'it follows');
});

t.test('what is not there is not found', async (t) => {
  const { tree, source } = setUp();
  source.list = [
    ...source.list,
    { name: 'file', machine: 'web1', path: 'vda1/srv/data/report' },
    { name: 'gone', machine: 'none', path: 'vda1' },
    { name: 'label', machine: 'web1', path: 'by-label' },
    { name: 'nodevice', machine: 'web1', path: 'vdb/x' },
    { name: 'nothing', machine: 'web1', path: 'vda1/srv/none' },
    { name: 'top', machine: 'web1', path: 'vda1' },
  ];
  const snapshot = '.snapshots/@GMT-2026.11.22-10.15.00';
  for (const path of [
    'none',
    'data/other',
    'data/2026-11-22T09-00-00Z',
    'data/.snapshots/@GMT-2026.11.22-09.00.00',
    'data/.snapshots/2026-11-22T10-15-00Z',
    'data/@GMT-2026.11.22-10.15.00',
    `file/${snapshot}`,
    `nodevice/${snapshot}`,
    `nothing/${snapshot}`,
    `gone/${snapshot}`,
    'gone/live',
  ]) {
    await t.rejects(async () => await tree.stat(`/.shares/${path}`), { code: 'ENOENT' }, path);
  }
  await t.rejects(tree.readlink('/.shares/gone/live'), { code: 'ENOENT' });
  t.match(await tree.stat('/.shares/gone/.snapshots'), { kind: 'directory', nlink: 1 });
  t.strictSame(await namesIn(tree, `/.shares/top/${snapshot}`), ['srv']);
  t.match(await tree.stat(`/.shares/label/${snapshot}`), { kind: 'directory' });
});

t.test('without shares there is no directory of them, and one machine has its own only', async (t) => {
  const { tree, source, files } = setUp();
  t.match(await tree.stat('/'), { nlink: 4 });
  const other = treeOf(source, { machine: 'db' }, files);
  source.add('db', TIME_MS);
  t.strictSame(await namesIn(other, '/'), ['db']);
  source.list = [];
  t.strictSame(await namesIn(tree, '/'), ['db', 'web1']);
  await t.rejects(async () => await tree.stat('/.shares'), { code: 'ENOENT' });
  t.match(await tree.stat('/'), { nlink: 4 });
});

t.test('every entry has the number that its stat has', async (t) => {
  const { tree } = setUp();
  for (const directory of ['/', '/.shares', '/.shares/data', '/.shares/data/.snapshots']) {
    for (const { name, ino, kind } of await tree.list(directory)) {
      t.match(await tree.stat(`${directory}/${name}`), { ino, kind }, `${directory}/${name}`);
    }
  }
});

t.test('no more than Samba can list, the newest', async (t) => {
  const { tree, source } = setUp();
  for (let minute = 1; minute <= 1400; minute++) source.add('web1', TIME_MS + 10_000_000 + minute * 60_000);
  source.add('web1', TIME_MS + 10_000_000 + 1400 * 60_000);
  const names = await namesIn(tree, '/.shares/data/.snapshots');
  t.equal(names.length, 1300);
  t.equal(names.at(-1), snapshotName((await tree.readlink('/.shares/data/live')) || ''));
  t.match(await tree.stat('/.shares/data/.snapshots/@GMT-2026.11.22-10.15.00'), { kind: 'directory' }, 'still there');
});

t.test('of several shadow copies of one second the last is shown', async (t) => {
  const { tree, source, versions } = setUp();
  const second = source.add('web1', TIME_MS + 2 * 3_600_000);
  t.equal(second, `${String(versions[2])}-2`);
  const snapshots = '/.shares/data/.snapshots';
  const name = '@GMT-2026.11.22-12.15.00';
  t.equal((await namesIn(tree, snapshots)).filter((one) => one === name).length, 1);
  t.equal(await tree.readlink('/.shares/data/live'), second);
  t.strictSame(await namesIn(tree, `/.shares/data/${second}`), ['docs', 'report']);
  const { ino } = await tree.stat(`${snapshots}/${name}`);
  t.equal((await tree.list(snapshots)).find((entry) => entry.name === name)?.ino, ino);
  t.equal((await tree.stat(`/.shares/data/${second}`)).ino, ino, 'it is the second');
  t.not((await tree.stat(`/.shares/data/${String(versions[2])}`)).ino, ino, 'the first is another directory');
});

t.test('a name that was looked into stays with its shadow copy', async (t) => {
  const { tree, source, versions } = setUp();
  const snapshots = '/.shares/data/.snapshots';
  const name = '@GMT-2026.11.22-12.15.00';
  const { ino } = await tree.stat(`${snapshots}/${name}`);
  const second = source.add('web1', TIME_MS + 2 * 3_600_000);
  t.equal((await tree.stat(`${snapshots}/${name}`)).ino, ino, 'the kernel knows its files by that name');
  t.equal((await tree.list(snapshots)).find((entry) => entry.name === name)?.ino, ino);
  t.equal(await tree.readlink('/.shares/data/live'), second, 'the newest is there all the same');
  t.strictSame(await namesIn(tree, `/.shares/data/${second}`), ['docs', 'report']);
  source.forget('web1', String(versions[2]));
  t.notOk((await namesIn(tree, snapshots)).includes(name));
  await t.rejects(async () => await tree.stat(`${snapshots}/${name}`), { code: 'ENOENT' }, 'and becomes no other one');
});

t.test('of a guest with access lists and no modes Samba can read all', async (t) => {
  const filesystem = Object.assign(guest(), { type: 'ntfs' });
  const { tree } = setUp(filesystem);
  const top = '/.shares/data/.snapshots/@GMT-2026.11.22-10.15.00';
  t.match(await tree.stat(top), { permissions: 0o755 });
  t.match(await tree.stat(`${top}/docs`), { permissions: 0o755, kind: 'directory' });
  t.match(await tree.stat(`${top}/report`), { permissions: 0o644, kind: 'file' });
  t.match(await tree.stat(`${top}/docs/link`), { permissions: 0o777, kind: 'link' });
  t.equal((await readAll(tree, `${top}/report`)).toString(), 'text');
  t.strictSame(await namesIn(tree, `${top}/docs`), ['link']);
  t.match(await tree.usage(`${top}/report`), { blocks: 1000 });
  t.equal((await tree.xattrs(`${top}/report`)).size, 0);
  await t.rejects(async () => await tree.stat(`${top}/none`), { code: 'ENOENT' });
});
