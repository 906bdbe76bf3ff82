import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { BlockCache } from '../../../mount/blocks/block-cache.js';
import type { FindDevices } from '../../../mount/files/guest-device.js';
import type { DirectoryItem, FileId } from '../../../mount/filesystems/filesystem.js';
import { UmbraError } from '../../../src/common/errors.js';
import { debugfs, ext4Image, FilesLab, writeTree } from '../../kit/files-lab.js';
import { directory, inlineFile, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';

t.test('in an ext4 volume, in one shadow copy and in all', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image] = [join(lab.directory, 'tree'), join(lab.directory, 'image')];
  writeTree(tree, {
    etc: { 'a.conf': '1', 'B.CONF': '2', deep: { 'c.conf': '3' } },
    usr: { share: { 'a.conf': 'another' } },
  });
  ext4Image(image, tree);
  const first = await lab.backUp(image);
  const second = await lab.backUp(image);
  debugfs(lab.directory, image, ['cd etc', 'rm a.conf', 'set_inode_field B.CONF mode 0100600']);
  const third = await lab.backUp(image);

  const [one, files] = await lab.find('*.conf', { version: first });
  t.same(files.map(({ path }) => path).sort(), ['/vda/etc/a.conf', '/vda/etc/deep/c.conf', '/vda/usr/share/a.conf']);
  t.match(one, { shadowCopies: 1, found: 3, unreadCount: 0 });
  t.match(files[0], { first, last: first, shadowCopies: 1, stat: { type: 'file' } });

  const [all, versions] = await lab.find('/vda/etc/*.conf', { ignoreCase: true });
  const shown = versions.map(({ path, first: from, last, shadowCopies }) => [path, from, last, shadowCopies]);
  t.same(shown.sort(), [
    ['/vda/etc/B.CONF', first, second, 2],
    ['/vda/etc/B.CONF', third, third, 1],
    ['/vda/etc/a.conf', first, second, 2],
  ]);
  t.match(all, { shadowCopies: 3, found: 3 });
  t.same(
    (await lab.find('/vda', { version: first }))[1].map(({ path }) => path),
    ['/vda'],
  );
  t.same((await lab.find('deep', { type: 'file' }))[1], []);
  t.same((await lab.find('deep', { type: 'directory' }))[1].length, 1);
  t.same((await lab.find('/vdb/*'))[1], []);
  await t.rejects(lab.find('{a,b}'.repeat(8)), { code: 'BAD_ARGUMENT' });
  await t.rejects(lab.find('x', { machine: 'm9' }), { code: 'NOT_FOUND' });
});

const MIB = 1024 * 1024;

function volume(number: number): Buffer {
  const bytes = Buffer.alloc(4 * MIB, number + 100);
  bytes[0] = number;
  return bytes;
}

t.test('what is damaged is named, and the rest found', async (t) => {
  const filesystems = new Map<number, MemoryFilesystem | Error>([
    [
      1,
      new MemoryFilesystem({
        1: directory({ bad: 2, loop: 1, x: 3, link: 4, unknown: 9 }),
        2: directory({ x: 3 }, { damaged: true }),
        3: inlineFile('x'),
        4: { type: 'symlink', target: 'x' },
      }),
    ],
    [2, new UmbraError('FILESYSTEM_DAMAGED', 'no superblock')],
    [4, new MemoryFilesystem({ 1: directory({ x: 3 }), 3: inlineFile('y') })],
  ]);
  const lab = await FilesLab.open(t, { filesystems });
  const names: string[] = [];
  for (const number of [1, 2, 1, 3, 4]) names.push(await lab.backUp(volume(number)));
  const [result, files] = await lab.find('{x,link}');
  t.same(
    files.map(({ path, first, last, shadowCopies }) => [path, first, last, shadowCopies]),
    [
      ['/vda/link', names[0], names[2], 2],
      ['/vda/x', names[0], names[2], 2],
      ['/vda/x', names[4], names[4], 1],
    ],
  );
  t.equal(files[0]?.stat.target, 'x');
  t.match(result, { unreadCount: 4, damagedCount: 4 });
  t.match(result.unread, [
    { path: '/vda/loop', reason: /leads in a circle/ },
    { path: '/vda/unknown', reason: /inode 9 is damaged/ },
    { path: '/vda/bad', reason: /inode 2 is damaged/ },
    { path: '/vda', shadowCopy: names[1], reason: /no superblock/ },
  ]);
});

/** Says how many batches of its directory were read. */
class WatchedFilesystem extends MemoryFilesystem {
  batches = 0;

  override async *readDirectory(id: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    for await (const batch of super.readDirectory(id)) {
      this.batches++;
      yield batch;
    }
  }
}

t.test('in one shadow copy, what is found comes at once', async (t) => {
  const count = 1_200;
  const names = Array.from({ length: count }, (_, index) => [`file-${index}`, 2] as const);
  const watched = new WatchedFilesystem({ 1: directory(Object.fromEntries(names)), 2: inlineFile('x') });
  const lab = await FilesLab.open(t, { filesystems: new Map([[1, watched]]) });
  const version = await lab.backUp(volume(1));
  const batches: number[] = [];
  const emit = (): Promise<void> => {
    batches.push(watched.batches);
    return Promise.resolve();
  };
  const request = { machine: 'm1', version, glob: 'file-*', ignoreCase: false };
  t.match(await lab.operations.find(request, { ...lab.job, emit }), { found: count });
  t.same(batches, [250, 500, 600]);
});

t.test('a path as long as no file system has it', async (t) => {
  const files: Record<number, ReturnType<typeof directory>> = {};
  const name = 'n'.repeat(255);
  for (let id = 1; id < 400; id++) files[id] = directory({ [name]: id + 1 });
  files[400] = directory({});
  const lab = await FilesLab.open(t, { filesystems: new Map([[1, new MemoryFilesystem(files)]]) });
  await lab.backUp(volume(1));
  const [result] = await lab.find('nothing');
  t.match(result.unread, [{ reason: /circle/ }]);
});

t.test('all shadow copies of a search share one cache', async (t) => {
  const caches = new Set<BlockCache>();
  const filesystem = new MemoryFilesystem({ 1: directory({ x: 2 }), 2: inlineFile('x') });
  const find: FindDevices = (volumes) =>
    Promise.resolve(
      volumes.map(({ name, source }) => ({
        name,
        sizeBytes: source.sizeBytes,
        open: async (cache) => {
          caches.add(cache);
          await source.read(Buffer.alloc(1), 0);
          return { filesystem };
        },
      })),
    );
  const lab = await FilesLab.open(t, { find });
  for (const number of [1, 2, 3]) await lab.backUp(volume(number));
  t.match(await lab.find('x'), [{ shadowCopies: 3, found: 1 }]);
  t.equal(caches.size, 1);
  await lab.find('x');
  t.equal(caches.size, 2);
});

/** Volumes with a file system, swap space, nothing, and something that is encrypted. */
function mixed(image: string): Record<string, Buffer> {
  const [swap, luks] = [Buffer.alloc(4 * MIB), Buffer.alloc(4 * MIB)];
  swap.write('SWAPSPACE2', 4086);
  luks.write('LUKS\xba\xbe', 0, 'latin1');
  return { vda: readFileSync(image), vdb: swap, vdc: Buffer.alloc(4 * MIB), vdd: luks };
}

t.test('what is not read is no damage, and said once; what holds no files is left out', async (t) => {
  const lab = await FilesLab.open(t);
  const image = join(lab.directory, 'image');
  writeTree(join(lab.directory, 'tree'), { 'report.odt': 'r' });
  ext4Image(image, join(lab.directory, 'tree'));
  const first = (await lab.memory.backUp(mixed(image), { machine: 'm1' })).name;
  debugfs(lab.directory, image, ['rm report.odt']);
  const changed = mixed(image);
  for (const volume of ['vdb', 'vdc', 'vdd']) changed[volume]?.fill('x', 2 * MIB, 3 * MIB);
  const second = (await lab.memory.backUp(changed, { machine: 'm1' })).name;
  const unread = [{ shadowCopy: first, path: '/vdd', reason: 'vdd: an encrypted volume (LUKS).', isDamaged: false }];
  const [result, files] = await lab.find('report.odt');
  t.match(result, { found: 1, unreadCount: 1, damagedCount: 0, unread });
  t.same(
    files.map(({ path }) => path),
    ['/vda/report.odt'],
  );
  const [differences] = await lab.diff(first, second);
  t.match(differences, { removed: 1, added: 0, unreadCount: 1, damagedCount: 0, unread });
  for (const [device, what] of [
    ['vdb', /swap space/],
    ['vdd', /LUKS/],
  ] as const) {
    await t.rejects(lab.history(`/${device}/x`), { code: 'FILESYSTEM_UNREADABLE', message: what });
  }
});
