import t from 'tap';
import type { FindDevices } from '../../../mount/files/guest-device.js';
import type { Extent } from '../../../mount/filesystems/filesystem.js';
import { FakeFilesystem } from '../../kit/filesystems/fake-filesystem.js';
import { FakeSource, patternBytes } from '../../kit/fake-source.js';
import { filesOf, fixedDevices, namesIn, readAll, treeOf } from '../../kit/tree.js';

function setUp() {
  const source = new FakeSource();
  const version = source.add('vm', 1000);
  const top = `/vm/${version}/files/vda1`;
  const filesystem = new FakeFilesystem();
  const tree = treeOf(source, undefined, filesOf(source, fixedDevices({ vda1: filesystem })));
  return { source, version, tree, top, filesystem };
}

t.test('every kind of file as the guest has it', async (t) => {
  const { tree, top, filesystem } = setUp();
  filesystem.add('d', { type: 'directory', permissions: 0o1777, nlink: 7, uid: 1, gid: 2 });
  filesystem.add('d/f', { permissions: 0o4755, blocks: 8, nlink: 2 }, { content: Buffer.from('0123456789') });
  filesystem.add('l', { type: 'symlink', permissions: 0o777 }, { target: '/etc/x' });
  filesystem.add('c', { type: 'character-device', device: { major: 1, minor: 3 } });
  filesystem.add('b', { type: 'block-device', device: { major: 259, minor: 65_536 } });
  filesystem.add('p', { type: 'fifo' });
  filesystem.add('s', { type: 'socket', mtimeNs: -5_500_000n });
  t.match(await tree.list(top), [
    { name: 'd', kind: 'directory' },
    { name: 'l', kind: 'link' },
    { name: 'c', kind: 'character-device' },
    { name: 'b', kind: 'block-device' },
    { name: 'p', kind: 'fifo' },
    { name: 's', kind: 'socket' },
  ]);
  t.match(await tree.stat(`${top}/d`), { kind: 'directory', permissions: 0o1777, nlink: 7, uid: 1, gid: 2 });
  t.match(await tree.stat(`${top}/d/f`), {
    kind: 'file',
    permissions: 0o4755,
    nlink: 2,
    uid: 1000,
    sizeBytes: 10,
    blocks: 8,
    mtimeMs: 1_700_000_000_123,
    atimeMs: 1_700_000_001_223,
    ctimeMs: 1_700_000_002_323,
  });
  t.match(await tree.stat(`${top}/l`), { kind: 'link', sizeBytes: 6 });
  t.equal(await tree.readlink(`${top}/l`), '/etc/x');
  t.match(await tree.stat(`${top}/c`), { kind: 'character-device', device: { major: 1, minor: 3 } });
  t.match(await tree.stat(`${top}/b`), { kind: 'block-device', device: { major: 259, minor: 65_536 } });
  t.match(await tree.stat(`${top}/s`), { kind: 'socket', mtimeMs: -5 });
  t.equal((await readAll(tree, `${top}/d/f`, 4)).toString(), '0123456789');
  await t.rejects(async () => tree.open(`${top}/d`), { code: 'EISDIR' });
  await t.rejects(async () => tree.open(`${top}/p`), { code: 'EINVAL' });
  await t.rejects(tree.list(`${top}/d/f`), { code: 'ENOTDIR' });
  await t.rejects(async () => await tree.stat(`${top}/d/f/g`), { code: 'ENOTDIR' });
  await t.rejects(async () => await tree.stat(`${top}/l/g`), { code: 'ENOTDIR' }, 'links are not followed');
  await t.rejects(async () => await tree.stat(`${top}/x/y/z`), { code: 'ENOENT' });
  await t.rejects(async () => await tree.stat(`${top}/d/${'n'.repeat(1024)}`), { code: 'ENOENT' });
});

t.test('hard links share a number, and nothing else does', async (t) => {
  const { tree, top, filesystem } = setUp();
  const id = filesystem.add('a', { nlink: 2 });
  filesystem.link('b', id);
  filesystem.add('c', {});
  const numbers = (await tree.list(top)).map(({ ino }) => ino);
  t.equal(numbers[0], numbers[1]);
  t.not(numbers[0], numbers[2]);
  t.equal((await tree.stat(`${top}/b`)).ino, numbers[0]);
});

t.test('names that can not be passed are left out', async (t) => {
  const { tree, top, filesystem } = setUp();
  const long = '\\xff'.repeat(255);
  for (const name of ['ok', '..', 'n'.repeat(1024), long]) filesystem.add(name, {});
  t.strictSame(await namesIn(tree, top), ['ok', long]);
  t.match(await tree.stat(`${top}/${long}`), { kind: 'file' });
});

t.test('a file that is looked at again and again is looked up once, however deep it lies', async (t) => {
  const { tree, top, filesystem } = setUp();
  const directories = Array.from({ length: 20 }, (_, depth) =>
    Array.from({ length: depth + 1 }, (_, i) => `d${i}`).join('/'),
  );
  for (const path of directories) filesystem.add(path, { type: 'directory' });
  const deepest = directories.at(-1) ?? '';
  filesystem.add(`${deepest}/a`, {}, { xattrs: new Map([['user.x', Buffer.from('y')]]) });
  filesystem.add(`${deepest}/b`, {});
  await tree.stat(`${top}/${deepest}/a`);
  t.equal(filesystem.calls.lookup, 21);
  await tree.stat(`${top}/${deepest}/a`);
  await (await tree.open(`${top}/${deepest}/a`)).close();
  t.same(await tree.xattrs(`${top}/${deepest}/a`), new Map([['user.x', Buffer.from('y')]]));
  t.equal(filesystem.calls.lookup, 21);
  await tree.stat(`${top}/${deepest}/b`);
  t.equal(filesystem.calls.lookup, 22);
  t.same(await tree.xattrs(`${top}/${deepest}/b`), new Map());
  t.equal(filesystem.calls.xattrs, 1, 'not asked for what is known not to be there');
});

t.test('what a list showed is not looked up', async (t) => {
  const { tree, top, filesystem } = setUp();
  filesystem.add('d', { type: 'directory' });
  for (let i = 0; i < 1000; i++) filesystem.add(`d/f${i}`, { sizeBytes: i });
  await tree.list(`${top}/d`);
  const { lookup } = filesystem.calls;
  for (let i = 0; i < 1000; i++) t.match(await tree.stat(`${top}/d/f${i}`), { kind: 'file', sizeBytes: i });
  t.equal(filesystem.calls.lookup, lookup);
  await t.rejects(async () => await tree.stat(`${top}/d/g`), { code: 'ENOENT' });
  t.equal(filesystem.calls.lookup, lookup + 1, 'what it did not show is');
});

t.test(
  'who reads file after file of a list gets each one’s content, read ahead while nothing else is asked',
  async (t) => {
    const { tree, top, filesystem, source } = setUp();
    filesystem.add('d', { type: 'directory' });
    for (let i = 0; i < 50; i++) filesystem.add(`d/f${i}`, {}, { content: Buffer.from(`content of ${i}`) });
    filesystem.add('d/large', {}, { content: Buffer.alloc(100_000, 'l') });
    filesystem.add('d/link', { type: 'symlink' }, { target: 'large' });
    await tree.list(`${top}/d`);
    for (let i = 0; i < 50; i++) {
      const path = `${top}/d/f${i}`;
      t.match(await tree.stat(path), { sizeBytes: `content of ${i}`.length });
      const file = await tree.open(path);
      t.strictSame([...source.holders], [`files/vda1/d/f${i} is open in a mount`], 'what is read ahead keeps nothing');
      await new Promise((resolve) => setImmediate(resolve));
      t.equal(filesystem.calls.open, i + 1, 'nothing is read ahead of a file that is not read');
      const target = Buffer.alloc(4096);
      t.equal(target.subarray(0, await file.read(target, 0)).toString(), `content of ${i}`);
      await new Promise((resolve) => setImmediate(resolve));
      t.equal(filesystem.calls.open, Math.min(50, i + 2), 'the next one is open');
      await file.close();
    }
    t.equal((await readAll(tree, `${top}/d/large`)).toString(), 'l'.repeat(100_000));
    t.equal(filesystem.calls.open, 51, 'a large file is not read ahead');
  },
);

t.test('of a file that is read in order the volume is told where it goes on', async (t) => {
  const MIB = 1024 * 1024;
  const source = new FakeSource();
  const volumes = [{ name: 'vda', sizeBytes: 100 * MIB, seed: 1 }];
  const version = source.add('vm', 1000, { volumes });
  class MappedFilesystem extends FakeFilesystem {
    override async *extents(): AsyncGenerator<Extent> {
      const locations = [
        { volume: 'vda', offset: 10 * MIB, length: 2 * MIB },
        { volume: 'gone', offset: 0, length: 2 * MIB },
        { volume: 'vda', offset: 60 * MIB, length: 2 * MIB },
      ];
      yield await Promise.resolve({ kind: 'stored', offset: 0, length: 6 * MIB, encoded: false, locations });
    }
  }
  const find: FindDevices = ([volume]) => {
    const filesystem = new MappedFilesystem(volume?.source);
    filesystem.add('f', { sizeBytes: 6 * MIB }, { content: { offset: 10 * MIB, length: 6 * MIB } });
    return Promise.resolve([{ name: 'vda1', sizeBytes: MIB, open: () => Promise.resolve({ filesystem }) }]);
  };
  const tree = treeOf(source, undefined, filesOf(source, find));
  const content = await readAll(tree, `/vm/${version}/files/vda1/f`, 65_536);
  t.ok(content.equals(patternBytes(1, 10 * MIB, 6 * MIB)));
  t.strictSame(source.announced, [
    [10 * MIB, 2 * MIB],
    [60 * MIB, 2 * MIB],
  ]);
  t.equal(source.holders.size, 0);
});

t.test('what is remembered of a file system is bounded', async (t) => {
  const { tree, top, filesystem } = setUp();
  for (let i = 0; i < 2000; i++) {
    filesystem.add(`d${i}`, { type: 'directory' });
    filesystem.add(`d${i}/f`, {});
  }
  for (let i = 0; i < 2000; i++) await tree.stat(`${top}/d${i}/f`);
  const { lookup } = filesystem.calls;
  await tree.stat(`${top}/d1999/f`);
  t.equal(filesystem.calls.lookup, lookup);
  await tree.stat(`${top}/d1500/f`);
  t.equal(filesystem.calls.lookup, lookup + 1, 'the directory is remembered');
  await tree.stat(`${top}/d0/f`);
  t.equal(filesystem.calls.lookup, lookup + 3, 'nothing of it is');
});

t.test('an error in one file concerns no other', async (t) => {
  const { tree, top, filesystem } = setUp();
  filesystem.add('bad', {}, { damaged: true });
  filesystem.add('dir', { type: 'directory' }, { damaged: true });
  filesystem.add('good', {}, { content: Buffer.from('fine') });
  t.strictSame(await namesIn(tree, top), ['bad', 'dir', 'good']);
  const damaged = { code: 'FILESYSTEM_DAMAGED' };
  await t.rejects(async () => await tree.stat(`${top}/bad`), damaged);
  await t.rejects(tree.list(`${top}/dir`), damaged);
  await t.rejects(async () => await tree.stat(`${top}/dir/x`), damaged);
  t.equal((await readAll(tree, `${top}/good`)).toString(), 'fine');
});

t.test('an open file keeps its shadow copy, a look does not', async (t) => {
  const { tree, top, filesystem, source, version } = setUp();
  filesystem.add('a', {}, { content: Buffer.from('a') });
  const bad = filesystem.add('b', {});
  filesystem.open = async (id) => {
    if (id === bad) throw new RangeError('a defect');
    return await FakeFilesystem.prototype.open.call(filesystem, id);
  };
  await tree.list(top);
  t.equal(source.holders.size, 0);
  const file = await tree.open(`${top}/a`);
  t.strictSame([...source.holders], ['files/vda1/a is open in a mount']);
  await file.close();
  t.equal(source.holders.size, 0);
  await t.rejects(async () => tree.open(`${top}/b`), { message: 'a defect' });
  t.equal(source.holders.size, 0);
  source.forget('vm', version);
  await t.rejects(async () => await tree.stat(`${top}/a`), { code: 'ENOENT' });
});

t.test('the figures are those of the file system, counted once', async (t) => {
  const { tree, top, filesystem, version } = setUp();
  filesystem.add('a', {});
  let counts = 0;
  let fails = true;
  filesystem.usage = () => {
    counts++;
    return fails ? Promise.reject(new RangeError('a defect')) : Promise.resolve(filesystem.usageFigures);
  };
  await t.rejects(tree.usage(top), { message: 'a defect' });
  fails = false;
  t.strictSame(await tree.usage(`${top}/a`), filesystem.usageFigures);
  t.strictSame(await tree.usage(top), filesystem.usageFigures);
  t.equal(counts, 2);
  t.equal(await tree.usage('/'), undefined);
  t.equal(await tree.usage(`/vm/${version}/files`), undefined);
});
