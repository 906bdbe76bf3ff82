import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import type { FileDifference } from '../../../src/protocol/files-api.js';
import { debugfs, ext4Image, FilesLab, writeTree } from '../../kit/files-lab.js';
import { directory, inlineFile, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';
import { Random } from '../../kit/random.js';

function shown(differences: readonly FileDifference[]): string[] {
  return differences.map(({ change, path, fromPath, what }) =>
    [change, ...(fromPath === undefined ? [] : [fromPath]), path, ...what].join(' '),
  );
}

t.test('two shadow copies of an ext4 volume', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image, file] = ['tree', 'image', 'file'].map((name) => join(lab.directory, name)) as [
    string,
    string,
    string,
  ];
  const random = new Random(2);
  writeTree(tree, {
    etc: { changed: 'before', removed: 'x', mode: 'm', same: 'same', attribute: 'a' },
    moved: { inside: 'i', more: { deep: 'd' } },
    gone: { a: '1' },
    big: random.bytes(2 * 1024 * 1024),
    'small-1': 'a',
    'small-2': 'b',
  });
  ext4Image(image, tree);
  const first = await lab.backUp(image);
  writeFileSync(file, 'after!');
  debugfs(lab.directory, image, [
    'cd etc',
    'rm changed',
    `write ${file} changed`,
    'rm removed',
    'set_inode_field mode mode 0100600',
    'set_inode_field mode uid 1000',
    'ea_set attribute user.x value',
    'set_inode_field attribute ctime 202612010101',
    'cd ..',
    'ln moved renamed',
    'unlink moved',
    'rm gone/a',
    'rmdir gone',
    'mkdir new',
    `write ${file} new/file`,
  ]);
  const second = await lab.backUp(image);
  const [result, differences] = await lab.diff(first, second);
  const lines = shown(differences).map((line) => line.replace(/( content).*/, '$1'));
  t.same(lines.sort(), [
    'added /vda/new',
    'added /vda/new/file',
    'changed /vda/etc/changed content',
    'metadata /vda/etc/attribute xattrs',
    'metadata /vda/etc/mode mode owner',
    'removed /vda/etc/removed',
    'removed /vda/gone',
    'removed /vda/gone/a',
    'renamed /vda/moved /vda/renamed',
  ]);
  t.match(result, { added: 2, removed: 3, changed: 1, metadata: 2, renamed: 1, unreadCount: 0 });
  t.ok(result.comparedBytes < 1024 * 1024, `${result.comparedBytes} bytes were read`);
  const [back] = await lab.diff(second, first);
  t.match(back, { added: 3, removed: 2, changed: 1, metadata: 2, renamed: 1 });
  t.same((await lab.diff(first, first))[1], []);
  await lab.backUp(image, 'm2');
  t.same((await lab.diff(second, 'latest', 'm2'))[1], [], 'another machine with the same files');
  t.match((await lab.diff(first, 'latest', 'm2'))[0], { added: 2, removed: 3, renamed: 1 });
});

function volume(number: number): Buffer {
  const bytes = Buffer.alloc(4 * 1024 * 1024, number + 100);
  bytes[0] = number;
  return bytes;
}

t.test('types, links, damage and file systems that come and go', async (t) => {
  const bad = inlineFile('bad', { damaged: true });
  const filesystems = new Map<number, MemoryFilesystem | Error>([
    [
      1,
      new MemoryFilesystem({
        1: directory({ a: 2, b: 3, c: 4, d: 5, e: 6, f: 7, loop: 1 }),
        2: inlineFile('a'),
        3: directory({ inside: 2 }),
        4: { type: 'symlink', target: 'x' },
        5: { type: 'character-device', device: { major: 1, minor: 3 } },
        6: bad,
        7: directory({ g: 2 }, { damaged: true }),
      }),
    ],
    [
      2,
      new MemoryFilesystem({
        1: directory({ a: 3, b: 2, c: 4, d: 5, e: 6, f: 7, loop: 1 }),
        2: inlineFile('a'),
        3: { type: 'symlink', target: 'y' },
        4: { type: 'symlink', target: 'y' },
        5: { type: 'character-device', device: { major: 1, minor: 5 } },
        6: inlineFile('x'),
        7: directory({ g: 2 }),
      }),
    ],
    [3, new UmbraError('FILESYSTEM_DAMAGED', 'no superblock')],
  ]);
  const lab = await FilesLab.open(t, { filesystems });
  const names: string[] = [];
  for (const number of [1, 2, 3, 4]) names.push(await lab.backUp(volume(number)));
  const [one = '', two = '', broken = '', none = ''] = names;
  const [result, differences] = await lab.diff(one, two);
  t.same(shown(differences).sort(), [
    'changed /vda/a type',
    'changed /vda/c target',
    'changed /vda/d device',
    'removed /vda/b',
    'renamed /vda/b/inside /vda/b',
  ]);
  t.match(result.unread.map(({ path }) => path).sort(), ['/vda/e', '/vda/f', '/vda/loop']);
  t.match((await lab.diff(one, broken))[0], { unreadCount: 1, damagedCount: 1, unread: [{ reason: /no superblock/ }] });
  const [gone] = await lab.diff(two, none);
  t.match(gone, { added: 0, removed: 9 });
  t.match((await lab.diff(none, two))[0], { added: 9, removed: 0 });
});
