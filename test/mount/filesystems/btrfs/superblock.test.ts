import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { crc32c } from '@node-rs/crc32';
import { btrfsDriver, readBtrfsDevice } from '../../../../mount/filesystems/btrfs/driver.js';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { bash, btrfsImage, emptyBtrfs, kernelManifest, MIB, readBtrfs } from '../../../kit/filesystems/btrfs-image.js';
import { patchedSource } from '../../../kit/filesystems/fuzz.js';
import { loopMount } from '../../../kit/filesystems/loop-mount.js';
import { filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { memorySource } from '../../../kit/filesystems/sources.js';

const [FIRST, MIRROR] = [0x10000, 0x4000000] as const;

/** A superblock of an image, changed, with a right checksum. */
function changed(
  image: Buffer,
  offset: number,
  change: (superblock: Buffer) => void,
): { offset: number; bytes: Buffer } {
  const bytes = Buffer.from(image.subarray(offset, offset + 4096));
  change(bytes);
  bytes.writeUInt32LE(crc32c(bytes.subarray(32)), 0);
  return { offset, bytes };
}

function open(source: ByteSource): Promise<Filesystem> {
  return btrfsDriver.open({ source, cache: new BlockCache(MIB) });
}

t.test('features that are not known are refused by name', async (t) => {
  const image = readFileSync(emptyBtrfs(t, { sizeBytes: 130 * MIB }));
  const refused: readonly (readonly [string, (superblock: Buffer) => void, object])[] = [
    ['extent-tree-v2', (s) => s.writeUInt32LE(0x2000 | s.readUInt32LE(0xbc), 0xbc), { message: /extent-tree-v2/ }],
    ['raid-stripe-tree', (s) => s.writeUInt32LE(0x4000, 0xbc), { message: /raid-stripe-tree/ }],
    ['remap-tree', (s) => s.writeUInt32LE(0x20000, 0xbc), { message: /remap-tree/ }],
    ['a bit of the future', (s) => s.writeUInt32LE(0x80, 0xc0), { message: /0x8000000000/ }],
  ];
  for (const [name, change, expected] of refused) {
    const error = await open(patchedSource(image, [changed(image, FIRST, change)])).catch((error: unknown) => error);
    t.match(error, { code: 'FILESYSTEM_UNREADABLE', hint: /kernel/, ...expected }, name);
  }
  const kind = patchedSource(image, [changed(image, FIRST, (s) => s.writeUInt16LE(9, 0xc4))]);
  await t.rejects(open(kind), { code: 'FILESYSTEM_UNREADABLE', message: /checksums of kind 9/ });
  const damage: readonly ((superblock: Buffer) => void)[] = [
    (s) => s.writeUInt32LE(3000, 0xa0),
    (s) => s.writeUInt32LE(512, 0x90),
    (s) => s.writeUInt32LE(0, 0x94),
    (s) => s.writeBigUInt64LE(2n ** 60n, 0x50),
    (s) => s.writeUInt32LE(20, 0xa0),
    (s) => s.writeUInt8(1, 0x32b),
    (s) => s.writeUInt32LE(10, 0xa0),
    (s) => s.writeUInt16LE(0, 0x32b + 17 + 44),
    (s) => s.writeUInt16LE(60, 0x32b + 17 + 44),
    (s) => s.writeUInt8(7, 0xc7),
    (s) => s.writeBigUInt64LE(4096n, 0x58),
    (s) => s.writeBigUInt64LE(1n, 0xa4),
  ];
  for (const [index, change] of damage.entries()) {
    await t.rejects(
      open(patchedSource(image, [changed(image, FIRST, change)])),
      { code: 'FILESYSTEM_DAMAGED' },
      `${index}`,
    );
  }
});

t.test('a mirror stands in for the first superblock', async (t) => {
  const file = btrfsImage(t, { sizeBytes: 130 * MIB, fill: 'printf content > file' });
  const image = readFileSync(file);
  t.equal(await btrfsDriver.matches(memorySource(image)), true);
  const bad = patchedSource(image, [{ offset: FIRST + 0x200, bytes: Buffer.from('no label') }]);
  const filesystem = await open(bad);
  t.match(filesystem.problems, [/mirror/]);
  sameManifest(t, await filesystemManifest(filesystem), kernelManifest(t, file));
  const both = patchedSource(image, [
    { offset: FIRST + 0x200, bytes: Buffer.from('no label') },
    { offset: MIRROR + 0x200, bytes: Buffer.from('no label') },
  ]);
  await t.rejects(open(both), { code: 'FILESYSTEM_DAMAGED', message: /no copy of the superblock/ });
  const none = patchedSource(image, [{ offset: FIRST + 0x40, bytes: Buffer.alloc(8) }]);
  t.equal(await btrfsDriver.matches(none), false, 'a mirror alone may be what was there before');
  t.equal(await readBtrfsDevice(none), undefined);
});

t.test('a changed UUID', async (t) => {
  const file = btrfsImage(t, { sizeBytes: 130 * MIB, fill: 'seq 1 10000 > file' });
  execFileSync('btrfstune', ['-m', file], { stdio: 'ignore' });
  const filesystem = await readBtrfs(t, file);
  t.equal(filesystem.uuid, bash(`blkid -p -o value -s UUID ${file}`, '/').trim());
  sameManifest(t, await filesystemManifest(filesystem), kernelManifest(t, file));
});

t.test('figures are about those of the kernel', async (t) => {
  const fill = 'head -c 20000000 /dev/urandom > file';
  for (const mkfs of [
    ['-d', 'single'],
    ['-d', 'dup', '-m', 'dup'],
  ]) {
    const file = btrfsImage(t, { mkfs, fill });
    const usage = await (await readBtrfs(t, file)).usage();
    const mount = loopMount(t, file, ['ro']);
    const [blockBytes, blocks, freeBlocks] = bash('stat -f -c "%S %b %f" .', mount.directory)
      .trim()
      .split(' ')
      .map(Number);
    mount.unmount();
    t.equal(usage.blockBytes, blockBytes);
    t.equal(usage.blocks, blocks);
    t.ok(Math.abs(usage.freeBlocks - (freeBlocks ?? 0)) < 1500, `${usage.freeBlocks} of ${freeBlocks} blocks are free`);
  }
});

t.test('a dump of metadata says that contents are not there', async (t) => {
  const file = btrfsImage(t, {
    sizeBytes: 130 * MIB,
    fill: 'head -c 100000 /dev/urandom > file; printf inline > small',
  });
  execFileSync('btrfs-image', [file, `${file}.dump`], { stdio: 'ignore' });
  execFileSync('btrfs-image', ['-r', `${file}.dump`, `${file}.restored`], { stdio: 'ignore' });
  const filesystem = await readBtrfs(t, `${file}.restored`);
  t.match(filesystem.problems, [/dump of metadata/]);
  const failed: string[] = [];
  await filesystemManifest(filesystem, (path) => failed.push(path));
  t.same(failed, ['/file']);
});

t.test('extents say where contents stand', async (t: Test) => {
  const fill = 'head -c 700000 /dev/urandom > file; printf inline > small; truncate -s 1M hole; fallocate -l 8192 pre';
  for (const mount of [[], ['compress-force=zlib']]) {
    const file = btrfsImage(t, { mkfs: ['-d', 'single'], mount, fill: `${fill}; yes line | head -c 300000 > lines` });
    const filesystem = await readBtrfs(t, file);
    const fd = openSync(file, 'r');
    for (const [name, kinds] of Object.entries({
      file: 'stored',
      small: 'inline',
      hole: 'hole',
      pre: 'hole',
      lines: 'stored',
    })) {
      const item = await filesystem.lookup(filesystem.root, name);
      const reader = await filesystem.open(item?.id ?? 0);
      let end = 0;
      for await (const extent of filesystem.extents(item?.id ?? 0)) {
        t.equal(extent.offset, end);
        t.equal(extent.kind, kinds);
        end += extent.length;
        if (extent.kind !== 'stored') continue;
        t.equal(extent.encoding, extent.encoded ? 'btrfs-1-4096' : undefined);
        if (extent.encoded) continue;
        const content = Buffer.alloc(extent.length);
        await reader.read(content, extent.offset);
        const stored = extent.locations.map(({ volume, offset, length }) => {
          t.equal(volume, 'vda');
          const piece = Buffer.alloc(length);
          readSync(fd, piece, 0, length, offset);
          return piece;
        });
        t.ok(Buffer.concat(stored).equals(content), `${name}: what is stored is the content`);
      }
      t.equal(end, reader.sizeBytes);
    }
    closeSync(fd);
  }
});
