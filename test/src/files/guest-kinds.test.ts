import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import t, { type Test } from 'tap';
import { makeGroup, segmentText, volumeText } from '../../kit/disk/lvm.js';
import { ext4Image, FilesLab, writeTree } from '../../kit/files-lab.js';
import { btrfsImage } from '../../kit/filesystems/btrfs-image.js';
import { loopMount } from '../../kit/filesystems/loop-mount.js';
import { directoryManifest, sameManifest, type Manifest, type ManifestEntry } from '../../kit/filesystems/manifest.js';

const MIB = 1024 * 1024;

function sync(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

/** Copy an image as it is while it is mounted: its last changes stand in the journal alone. */
function copyLive(image: string, name: string): string {
  const copy = `${image}-${name}`;
  execFileSync('cp', ['--sparse=always', image, copy]);
  return copy;
}

/** Blocks depend on the file system; times of change and of access can't be kept. */
function sameCopy(t: Test, copy: string, expected: Manifest, ignore: readonly (keyof ManifestEntry)[] = []): void {
  const actual = directoryManifest(copy);
  for (const manifest of [actual, expected]) {
    for (const entry of manifest.values()) if (entry.type === 'directory') delete entry.sizeBytes;
  }
  sameManifest(t, actual, expected, { ignore: ['ctimeNs', 'atimeNs', 'blocks', ...ignore] });
}

t.test('the history of files of a guest that was running', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image] = [join(lab.directory, 'tree'), join(lab.directory, 'image')];
  writeTree(tree, { etc: { changed: 'before', removed: 'x', same: 'same' } });
  ext4Image(image, tree);
  const names = [await lab.backUp(image)];
  const mount = loopMount(t, image);
  const at = (name: string): string => join(mount.directory, 'etc', name);
  const change = async (name: string, work: () => void): Promise<void> => {
    work();
    for (const path of [...readdirSync(join(mount.directory, 'etc')).map(at), at('')]) sync(path);
    names.push(await lab.backUp(copyLive(image, name)));
  };
  await change('one', () => {
    writeFileSync(at('changed'), 'after!');
    writeFileSync(at('new'), 'n');
  });
  await change('two', () => {
    execFileSync('rm', [at('removed')]);
    execFileSync('chmod', ['600', at('new')]);
  });
  const expected = directoryManifest(join(mount.directory, 'etc'));
  mount.unmount();
  names.push(await lab.backUp(image));

  const journals: (string | undefined)[] = [];
  for (const version of names) journals.push((await lab.list('/', { version }))[0].filesystems?.[0]?.journal);
  t.same(journals, ['clean', 'replayed', 'replayed', 'clean']);
  t.same(await lab.changes('/vda/etc/changed'), ['first 1', 'content 3']);
  t.same(await lab.changes('/vda/etc/new'), ['first 1', 'appeared 1', 'metadata 2']);
  t.same(await lab.changes('/vda/etc/removed'), ['first 2', 'removed 2']);
  t.same(await lab.changes('/vda/etc/same'), ['first 4']);
  t.equal((await lab.read('/vda/etc/changed', names[1])).toString(), 'after!');
  const [, differences] = await lab.diff(names[2] ?? '', names[3] ?? '');
  t.same(differences, [], 'what the journal holds is what the guest writes when it is shut down');
  t.match((await lab.find('new'))[1], [
    { first: names[1], last: names[1] },
    { first: names[2], last: names[3] },
  ]);
  await lab.copy('/vda/etc', join(lab.directory, 'copy'), { version: names[2] ?? '' });
  sameCopy(t, join(lab.directory, 'copy'), expected);
});

/** Two physical volumes over which a logical volume with an ext4 file system lies. */
function logicalVolume(t: Test, directory: string): { readonly vda: Buffer; readonly vdb: Buffer } {
  const [tree, image] = [join(directory, 'tree'), join(directory, 'image')];
  writeTree(tree, { srv: { data: Buffer.alloc(20 * MIB, 'data'), text: 'text' } });
  ext4Image(image, tree);
  const group = makeGroup(t, 'vg0', [24, 24]);
  const segments = [
    segmentText(0, 20, 'striped', 'stripe_count = 1\nstripes = ["pv0", 1]'),
    segmentText(20, 12, 'striped', 'stripe_count = 1\nstripes = ["pv1", 3]'),
  ];
  group.restore(volumeText('root', segments));
  const content = readFileSync(image);
  const [vda = Buffer.alloc(0), vdb = Buffer.alloc(0)] = group.files.map((file) => readFileSync(file));
  content.copy(vda, 2 * MIB, 0, 20 * MIB);
  content.copy(vdb, 4 * MIB, 20 * MIB);
  return { vda, vdb };
}

t.test('a logical volume over two volumes of a machine', async (t) => {
  const lab = await FilesLab.open(t);
  await lab.memory.backUp(logicalVolume(t, lab.directory), { machine: 'm1' });
  const [{ filesystems }] = await lab.list();
  t.match(filesystems, [{ name: 'vg0-root', type: 'ext4', journal: 'clean' }]);
  t.same(
    (await lab.list('/vg0-root/srv'))[1].map(({ name }) => name),
    ['data', 'text'],
  );
  t.ok((await lab.read('/vg0-root/srv/data')).equals(Buffer.alloc(20 * MIB, 'data')));
  const copy = join(lab.directory, 'copy');
  t.match(await lab.copy('/vg0-root/srv', copy), { files: 2, directories: 1, problems: [] });
  sameCopy(t, copy, directoryManifest(join(lab.directory, 'tree', 'srv')), ['mtimeNs']);
  await t.rejects(lab.list('/vg0-rot'), { code: 'NOT_FOUND', hint: /Did you mean \/vg0-root\?/ });
});

t.test('a subvolume of btrfs, and a snapshot of it', async (t) => {
  const image = btrfsImage(t, {
    mount: ['compress-force=zstd'],
    fill: `btrfs subvolume create home > /dev/null; mkdir home/ann; yes line | head -c 300000 > home/ann/lines
      ln -s ann home/link; btrfs subvolume snapshot -r home before > /dev/null; echo more >> home/ann/lines`,
  });
  const lab = await FilesLab.open(t);
  const version = await lab.backUp(image);
  t.same(
    (await lab.list('/vda'))[1].map(({ name, type }) => [name, type]),
    [
      ['before', 'directory'],
      ['home', 'directory'],
    ],
  );
  const lines = 'line\n'.repeat(60_000);
  t.equal((await lab.read('/vda/before/ann/lines')).toString(), lines);
  t.equal((await lab.read('/vda/home/link/lines')).toString(), `${lines}more\n`);
  const copy = join(lab.directory, 'copy');
  t.match(await lab.copy('/vda/before', copy), { files: 1, directories: 2, symlinks: 1, problems: [] });
  t.equal(readFileSync(join(copy, 'ann', 'lines'), 'utf8'), lines);
  t.match((await lab.find('lines', { version }))[0], { found: 2 });
});

t.test('a copy by a user who is not root', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image] = [join(lab.directory, 'tree'), join(lab.directory, 'image')];
  writeTree(tree, { d: { own: 'own', 'set-id': 's', private: 'p' } });
  const at = (...names: string[]): string => join(tree, 'd', ...names);
  execFileSync('chown', ['1234:5678', at('own'), at('set-id')]);
  execFileSync('chmod', ['4755', at('set-id')]);
  execFileSync('chmod', ['600', at('private')]);
  execFileSync('setfattr', ['-n', 'trusted.x', '-v', '1', at('own')]);
  execFileSync('mknod', [at('null'), 'c', '1', '3']);
  ext4Image(image, tree);
  await lab.backUp(image);
  const target = join(lab.directory, 'target');
  mkdirSync(target);
  execFileSync('chmod', ['755', lab.directory]);
  execFileSync('chown', ['65534:65534', target]);
  const copy = join(target, 'copy');
  const result = await asNobody(() => lab.copy('/vda/d', copy));
  t.match(result, { files: 3, directories: 1, specialFiles: 0, owners: false });
  t.match(result, { readProblems: 0, writeProblems: 1, metadataProblems: 1 });
  t.same([...result.problems].map(({ path, kind }) => `${kind} ${path}`).sort(), [
    'metadata /vda/d/own',
    'write /vda/d/null',
  ]);
  const shown = execFileSync('stat', ['-c', '%n %u %a', 'own', 'private', 'set-id'], { cwd: copy, encoding: 'utf8' });
  t.equal(shown, 'own 65534 644\nprivate 65534 600\nset-id 65534 755\n', 'nobody else gets more than in the guest');
  t.same(readdirSync(copy).sort(), ['own', 'private', 'set-id']);
  for (const path of ['/vda/d/own', '/vda/d']) {
    const to = join(lab.directory, path.slice('/vda/d/'.length) || 'd');
    await t.rejects(
      asNobody(() => lab.copy(path, lab.directory)),
      {
        code: 'TARGET_FAILED',
        message: `${to} cannot be written: permission denied`,
      },
    );
  }
});

/** Of the C library: Node.js has these too, but refuses where its libuv could use io_uring, as Debian's. */
const libc = koffi.load('libc.so.6');
const setegid = libc.func('int setegid(uint32_t id)') as (id: number) => number;
const seteuid = libc.func('int seteuid(uint32_t id)') as (id: number) => number;

/** Do something as the user "nobody", whose id is the same on all Linuxes. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (setegid(65_534) !== 0 || seteuid(65_534) !== 0) throw new Error('this process may not become another user');
  try {
    return await work();
  } finally {
    seteuid(0);
    setegid(0);
  }
}
