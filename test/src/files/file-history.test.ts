import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { debugfs, ext4Image, FilesLab, writeTree } from '../../kit/files-lab.js';
import { directory, inlineFile, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';
import { Random } from '../../kit/random.js';

const MIB = 1024 * 1024;

t.test('the versions of files of an ext4 volume', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image, file] = ['tree', 'image', 'file'].map((name) => join(lab.directory, name)) as [
    string,
    string,
    string,
  ];
  const random = new Random(1);
  writeTree(tree, { etc: { fstab: 'one\n', issue: 'hello\n', same: 'same' }, big: random.bytes(3 * MIB), 'a b': 'x' });
  ext4Image(image, tree);
  const names = [await lab.backUp(image), await lab.backUp(image)];
  writeFileSync(file, 'two\n');
  debugfs(lab.directory, image, ['cd etc', 'rm fstab', `write ${file} fstab`, 'set_inode_field issue mode 0100600']);
  names.push(await lab.backUp(image));
  debugfs(lab.directory, image, ['cd etc', 'rm issue', `write ${file} new`]);
  names.push(await lab.backUp(image), await lab.backUp(image));

  const fstab = await lab.history('/vda/etc/fstab');
  t.match(fstab.versions, [
    { state: 'present', change: 'first', shadowCopies: names.slice(0, 2), stat: { sizeBytes: 4, type: 'file' } },
    { state: 'present', change: 'content', shadowCopies: names.slice(2), stat: { sizeBytes: 4 } },
  ]);
  t.same(await lab.changes('/vda/etc/issue'), ['first 2', 'metadata 1', 'removed 2']);
  t.same(await lab.changes('/vda/etc/new'), ['first 3', 'appeared 2']);
  t.same(await lab.changes('/vda/etc/same'), ['first 5']);
  t.same(await lab.changes('/vda/a b'), ['first 5']);
  const big = await lab.history('/vda/big');
  t.equal(big.versions.length, 1);
  t.ok(big.comparedBytes < MIB, `of a file of 3 MiB, ${big.comparedBytes} bytes were read`);
  t.match(lab.progress.at(-1), /looking at .* \(5 of 5\)/);

  const again = await lab.history('/vda/big');
  t.equal(again.comparedBytes, 0, 'what was compared is remembered');
});

t.test('what was never there', async (t) => {
  const lab = await FilesLab.open(t);
  const tree = join(lab.directory, 'tree');
  writeTree(tree, { etc: { passwd: 'x' } });
  ext4Image(join(lab.directory, 'image'), tree);
  await lab.backUp(join(lab.directory, 'image'));
  await t.rejects(lab.history('/vda/etc/paswd'), { code: 'NOT_FOUND', hint: 'Did you mean /vda/etc/passwd?' });
  await t.rejects(lab.history('/vdb/etc'), { code: 'NOT_FOUND', hint: /Did you mean \/vda\? It has \/vda \(ext4\)/ });
  await t.rejects(lab.history('/'), { code: 'NOT_FOUND' });
  await t.rejects(lab.operations.history({ machine: 'm2', path: '/vda' }, lab.job), { code: 'NOT_FOUND' });
  lab.abort(new UmbraError('CANCELLED', 'cancelled'));
  await t.rejects(lab.history('/vda/etc'), { code: 'CANCELLED' });
});

/** A volume that the fake file system of that number is in. */
function volume(number: number, fill = 0): Buffer {
  const bytes = Buffer.alloc(4 * MIB, fill);
  bytes[0] = number;
  return bytes;
}

t.test('gaps, types and places that are not there', async (t) => {
  const damaged = new UmbraError('FILESYSTEM_DAMAGED', 'the superblock is damaged');
  const filesystems = new Map<number, MemoryFilesystem | Error>([
    [
      1,
      new MemoryFilesystem({ 1: directory({ a: 2, l: 3 }), 2: inlineFile('one'), 3: { type: 'symlink', target: 'a' } }),
    ],
    [2, damaged],
    [
      3,
      new MemoryFilesystem({ 1: directory({ a: 2, l: 3 }), 2: inlineFile('two'), 3: { type: 'symlink', target: 'b' } }),
    ],
    [4, new MemoryFilesystem({ 1: directory({ a: 2 }), 2: inlineFile('two', { damaged: true }) })],
    [5, new MemoryFilesystem({ 1: directory({ a: 2 }), 2: directory({}) })],
    // 6: nothing
  ]);
  const lab = await FilesLab.open(t, { filesystems });
  for (const number of [1, 1, 2, 2, 1, 2, 3, 4, 3, 5, 6, 5]) await lab.backUp(volume(number));
  t.same(await lab.changes('/vda/a'), [
    'first 2',
    'unreadable 2',
    'unchanged 1',
    'unreadable 1',
    'content 1',
    'unreadable 1',
    'unknown 1',
    'replaced 1',
    'removed 1',
    'appeared 1',
  ]);
  t.same((await lab.changes('/vda/l')).slice(0, 6), [
    'first 2',
    'unreadable 2',
    'unchanged 1',
    'unreadable 1',
    'content 1',
    'removed 1',
  ]);
  const { versions } = await lab.history('/vda/a');
  t.match(versions[1], { state: 'unreadable', reason: /the superblock is damaged/, isDamaged: true });
  t.match(versions[8], { state: 'absent' });
});

t.test('what is only of a kind that is not read', async (t) => {
  const filesystems = new Map<number, MemoryFilesystem | Error>([
    [1, new UmbraError('FILESYSTEM_UNREADABLE', 'it is encrypted')],
    [2, new MemoryFilesystem({ 1: directory({ a: 2 }), 2: inlineFile('one') })],
  ]);
  const lab = await FilesLab.open(t, { filesystems });
  await lab.backUp(volume(1));
  await t.rejects(lab.history('/vda/a'), { code: 'FILESYSTEM_UNREADABLE', message: /it is encrypted/ });
  await lab.backUp(volume(2));
  t.match((await lab.history('/vda/a')).versions, [{ state: 'unreadable', isDamaged: false }, { state: 'present' }]);
  t.same(await lab.changes('/vda/b'), ['first 1', 'removed 1'], 'nobody knows whether it was there');
});
