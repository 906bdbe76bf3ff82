import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { setXattr } from '../../../../src/system/xattrs.js';
import { directoryManifest, filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { makeNtfs, mountNtfs3g, openNtfs } from '../../../kit/filesystems/ntfs-image.js';
import { junctionPoint, symlinkPoint } from '../../../kit/filesystems/ntfs-values.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

for (const kind of ['interix', 'wsl']) {
  t.test(`special files as ntfs-3g makes them for ${kind}`, async (t) => {
    const image = join(temporaryDirectory(t), 'ntfs.img');
    makeNtfs(image);
    const option = `special_files=${kind}`;
    const mounted = mountNtfs3g(t, image, [option]);
    const at = (name: string): string => join(mounted.directory, name);
    symlinkSync('größe/../there 🙂', at('link'));
    symlinkSync(`/${'long/'.repeat(300)}`, at('long link'));
    symlinkSync('back\\slash\\x41', at('backslashes'));
    execFileSync('mkfifo', [at('fifo')]);
    execFileSync('mknod', [at('null'), 'c', '1', '3']);
    execFileSync('mknod', [at('disk'), 'b', '259', '70000']);
    writeFileSync(at('file'), '');
    execFileSync('python3', ['-c', 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])', at('socket')]);
    mounted.unmount();
    const { directory } = mountNtfs3g(t, image, ['ro', option]);
    const expected = directoryManifest(directory);
    t.equal(expected.get('/socket')?.type, 'socket');
    t.equal(expected.get('/null')?.device, '1:3');
    const actual = await filesystemManifest(await openNtfs(t, image));
    sameManifest(t, actual, expected, { ignore: ['permissions', 'xattrs'] });
  });
}

/** Name, reparse point, target. */
const LINKS = [
  ['relative', symlinkPoint('..\\Folder\\Sub\\FILE', true), '../folder/Sub/File'],
  ['relative-missing', symlinkPoint('no\\such', true), 'no/such'],
  ['here', symlinkPoint('.\\x', true), './x'],
  ['rooted', symlinkPoint('\\folder\\sub', true), '../folder/Sub'],
  ['drive', symlinkPoint('\\??\\C:\\FOLDER\\sub\\file', false), '../folder/Sub/File'],
  ['other-drive', symlinkPoint('\\??\\d:\\not\\here', false), 'D:/not/here'],
  ['top', symlinkPoint('\\??\\C:\\', false), '..'],
  ['server', symlinkPoint('\\??\\UNC\\server\\share\\a', false), '//server/share/a'],
  ['long-prefix', symlinkPoint('\\\\?\\C:\\folder', false), '../folder'],
] as const;

const JUNCTIONS = [
  ['junction', junctionPoint('\\??\\C:\\Folder\\Sub'), '../folder/Sub'],
  [
    'volume',
    junctionPoint('\\??\\Volume{c1b5e1b2-0000-0000-0000-100000000000}\\'),
    'Volume{c1b5e1b2-0000-0000-0000-100000000000}',
  ],
  ['behind', junctionPoint('\\??\\C:\\links\\junction\\Is As It Is'), '../links/junction/Is As It Is'],
] as const;

t.test('links of Windows', async (t) => {
  const image = join(temporaryDirectory(t), 'ntfs.img');
  makeNtfs(image);
  const mounted = mountNtfs3g(t, image);
  mkdirSync(join(mounted.directory, 'folder', 'Sub'), { recursive: true });
  writeFileSync(join(mounted.directory, 'folder', 'Sub', 'File'), 'x');
  const links = join(mounted.directory, 'links');
  mkdirSync(links);
  for (const [name, value] of LINKS) {
    writeFileSync(join(links, name), '');
    setXattr(join(links, name), 'system.ntfs_reparse_data', value);
  }
  for (const [name, value] of JUNCTIONS) {
    mkdirSync(join(links, name));
    setXattr(join(links, name), 'system.ntfs_reparse_data', value);
  }
  mounted.unmount();
  const filesystem = await openNtfs(t, image);
  const folder = await filesystem.lookup(filesystem.root, 'links');
  for (const [name, , target] of [...LINKS, ...JUNCTIONS]) {
    const item = await filesystem.lookup(folder?.id ?? 0, name);
    t.equal(await filesystem.readlink(item?.id ?? 0), target, name);
    t.match(await filesystem.stat(item?.id ?? 0), {
      type: 'symlink',
      sizeBytes: Buffer.byteLength(target),
      permissions: 0o777,
    });
  }
  const file = await filesystem.lookup((await filesystem.lookup(filesystem.root, 'folder'))?.id ?? 0, 'sub');
  await t.rejects(filesystem.readlink(file?.id ?? 0), { code: 'FILESYSTEM_DAMAGED' });
});
