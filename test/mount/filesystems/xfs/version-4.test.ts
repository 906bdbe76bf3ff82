import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { sha256OfReader } from '../../../kit/filesystems/manifest.js';
import { fileSource } from '../../../kit/filesystems/sources.js';
import { lookupFailures, openXfs, xfsDb, xfsImage } from '../../../kit/filesystems/xfs-image.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { createHash } from 'node:crypto';

/** Kernels of today mount no version 4: mkfs.xfs fills the image from a description, and xfs_db adds attributes. */
interface Filled {
  readonly image: string;
  readonly contents: ReadonlyMap<string, Buffer>;
}

const NAMES = [0, 3, 40, 200, 2500] as const;

function filled(t: Test, mkfs: readonly string[]): Filled {
  const directory = temporaryDirectory(t);
  const contents = new Map([
    ['empty', Buffer.alloc(0)],
    ['small', Buffer.from('a few bytes')],
    ['large', randomBytes(1_000_001)],
    ['attributes', Buffer.from('x')],
    ['remote', Buffer.from('y')],
  ]);
  const lines = ['/', '0 0', 'd--755 3 4'];
  mkdirSync(join(directory, 'files'));
  for (const [name, bytes] of contents) {
    writeFileSync(join(directory, 'files', name), bytes);
    lines.push(`${name} ---640 1000 1001 ${join(directory, 'files', name)}`);
  }
  lines.push('null c--666 0 0 1 3', 'disk b--600 0 0 8 17', 'pipe p--644 0 0');
  for (const length of [10, 90, 600, 1000]) lines.push(`link-${length} l--777 0 0 ${'t'.repeat(length)}`);
  for (const count of NAMES) {
    lines.push(`dir-${count} d--755 0 0`);
    for (let index = 0; index < count; index++) lines.push(`${'n'.repeat(index % 9)}-${index} p--600 0 0`);
    lines.push('$');
  }
  writeFileSync(join(directory, 'proto'), [...lines, '$', ''].join('\n'));
  const image = xfsImage(t, { sizeMib: 128, mkfs: ['-m', 'crc=0', ...mkfs, '-p', join(directory, 'proto')] });
  xfsDb(
    image,
    'path /attributes',
    ...Array.from({ length: 60 }, (_, index) => `attr_set -v ${index + 1} name-${index}`),
  );
  // One at a time and the small one first: xfs_db does not always survive otherwise.
  for (const attribute of ['-s -v 1 one', '-r -v 9000 nine', '-v 3000 three']) {
    xfsDb(image, 'path /remote', `attr_set ${attribute}`);
  }
  return { image, contents };
}

async function idOf(filesystem: Filesystem, name: string): Promise<number> {
  const item = await filesystem.lookup(filesystem.root, name);
  return Number(item?.id);
}

t.test('names are found whatever the case of their letters', async (t) => {
  const { image } = filled(t, ['-n', 'version=ci,ftype=0']);
  const filesystem = await openXfs(fileSource(t, image));
  t.equal((await filesystem.lookup(filesystem.root, 'SmaLL'))?.name, 'small');
  const large = await filesystem.lookup(filesystem.root, 'DIR-2500');
  t.equal((await filesystem.lookup(large?.id ?? 0, 'NNNnnNNN-8'))?.name, 'nnnnnnnn-8');
  t.same(await lookupFailures(filesystem), []);
});

const VARIANTS: readonly { readonly name: string; readonly mkfs: readonly string[]; readonly hasFtype: boolean }[] = [
  {
    name: 'blocks of 512 bytes, inodes of 256',
    mkfs: ['-b', 'size=512', '-i', 'size=256', '-n', 'ftype=0'],
    hasFtype: false,
  },
  { name: 'with types in directories', mkfs: ['-b', 'size=4096', '-n', 'ftype=1'], hasFtype: true },
  { name: 'directory blocks of 8 KiB', mkfs: ['-b', 'size=1024', '-n', 'size=8192,ftype=0'], hasFtype: false },
];

for (const { name, mkfs, hasFtype } of VARIANTS) {
  t.test(`version 4: ${name}`, async (t) => {
    const { image, contents } = filled(t, mkfs);
    const filesystem = await openXfs(fileSource(t, image));
    t.same(filesystem.journal, { state: 'clean' });
    for (const [file, bytes] of contents) {
      const id = await idOf(filesystem, file);
      t.equal(await sha256OfReader(filesystem, id), createHash('sha256').update(bytes).digest('hex'), file);
      t.match(await filesystem.stat(id), { type: 'file', permissions: 0o640, uid: 1000, gid: 1001, nlink: 1 });
    }
    t.match(await filesystem.stat(await idOf(filesystem, 'disk')), {
      type: 'block-device',
      device: { major: 8, minor: 17 },
    });
    t.equal((await filesystem.lookup(filesystem.root, 'pipe'))?.type, hasFtype ? 'fifo' : undefined);
    for (const length of [10, 90, 600, 1000]) {
      t.equal(await filesystem.readlink(await idOf(filesystem, `link-${length}`)), 't'.repeat(length));
    }
    for (const count of NAMES) {
      const names: string[] = [];
      for await (const batch of filesystem.readDirectory(await idOf(filesystem, `dir-${count}`))) {
        names.push(...batch.map((item) => item.name));
      }
      const expected = Array.from({ length: count }, (_, index) => `${'n'.repeat(index % 9)}-${index}`);
      t.same(names.sort(), expected.sort(), `${count} names`);
    }
    t.same(await lookupFailures(filesystem), []);
    const many = await filesystem.xattrs(await idOf(filesystem, 'attributes'));
    t.same(
      [...many].map(([key, value]) => [key, value.length]).sort(),
      Array.from({ length: 60 }, (_, index) => [`user.name-${index}`, index + 1]).sort(),
    );
    const remote = await filesystem.xattrs(await idOf(filesystem, 'remote'));
    t.same([...remote.keys()].sort(), ['security.one', 'trusted.nine', 'user.three']);
    t.same(remote.get('user.three'), Buffer.alloc(3000, 'v'));
    t.same(remote.get('trusted.nine'), Buffer.alloc(9000, 'v'));
  });
}
