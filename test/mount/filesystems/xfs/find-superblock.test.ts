import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { stampChecksum } from '../../../../mount/filesystems/xfs/checksum.js';
import { xfsDriver } from '../../../../mount/filesystems/xfs/driver.js';
import { loopMount } from '../../../kit/filesystems/loop-mount.js';
import { filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { openXfs, xfsDb, xfsImage } from '../../../kit/filesystems/xfs-image.js';

const MIB = 2 ** 20;
const SECTOR_BYTES = 512;

function fill(top: string): void {
  for (let directory = 0; directory < 10; directory++) {
    mkdirSync(join(top, `directory-${directory}`));
    for (let file = 0; file < 20; file++)
      writeFileSync(join(top, `directory-${directory}`, `file-${file}`), 'text'.repeat(file * 500));
  }
}

/** Assertions: that an image is found and read the same with its first bytes gone. */
async function sameWithoutStart(t: Test, image: string, lengths: readonly number[]): Promise<void> {
  const bytes = readFileSync(image);
  const headersAt = bytes.readUInt16BE(102);
  const intact = await openXfs(memorySource(bytes));
  const expected = await filesystemManifest(intact);
  for (const length of lengths) {
    bytes.fill(0, 0, length);
    const source = memorySource(bytes);
    t.equal(await xfsDriver.matches(source), false);
    t.equal(await xfsDriver.matchesCopy?.(source), true, `without ${length} bytes`);
    const filesystem = await openXfs(source);
    sameManifest(t, await filesystemManifest(filesystem), expected);
    t.equal(filesystem.uuid, intact.uuid);
    // It is counted in the headers of the groups.
    if (length <= headersAt) t.same(await filesystem.usage(), await intact.usage());
    else await t.rejects(filesystem.usage(), { code: 'FILESYSTEM_DAMAGED' });
    t.match(filesystem.problems, ['the superblock is damaged: a copy of it is used']);
  }
}

t.test('without its first sector it is read as it was', async (t) => {
  const variants: readonly (readonly string[])[] = [[], ['-d', 'agcount=8'], ['-d', 'agcount=5', '-b', 'size=1024']];
  for (const mkfs of variants) {
    await t.test(`made with ${mkfs.join(' ') || 'what is usual'}`, async (t) => {
      await sameWithoutStart(t, xfsImage(t, { sizeMib: 192, mkfs, fill }), [4, SECTOR_BYTES]);
    });
  }
});

t.test('of version 4, which kernels of today do not mount', async (t) => {
  await sameWithoutStart(t, xfsImage(t, { sizeMib: 64, mkfs: ['-m', 'crc=0', '-d', 'agcount=3'] }), [4, SECTOR_BYTES]);
});

t.test('with sectors of 4 KiB', async (t) => {
  const image = xfsImage(t, { sizeMib: 192, mkfs: ['-s', 'size=4096', '-d', 'agcount=6'], fill });
  await sameWithoutStart(t, image, [4, 4096]);
});

t.test('without all that says how large its groups are', async (t) => {
  await sameWithoutStart(t, xfsImage(t, { sizeMib: 192, fill }), [8 * SECTOR_BYTES]);
  const even = xfsImage(t, { sizeMib: 192, mkfs: ['-d', 'agsize=20m'], fill });
  await sameWithoutStart(t, even, [8 * SECTOR_BYTES]);
});

t.test('after it has grown', async (t) => {
  const image = xfsImage(t, { sizeMib: 100, mkfs: ['-d', 'agcount=3'], fill });
  truncateSync(image, 310 * MIB);
  const mount = loopMount(t, image, [], 'xfs');
  execFileSync('xfs_growfs', ['-d', mount.directory], { stdio: 'ignore' });
  mount.unmount();
  t.match(xfsDb(image, 'sb 0', 'p agcount'), /agcount = 1\d/);
  await sameWithoutStart(t, image, [4, SECTOR_BYTES]);
});

t.test('what is left of one whose place was taken', async (t) => {
  const bytes = readFileSync(xfsImage(t, { sizeMib: 64 }));
  const rootInode = 65_536;
  bytes.fill(0xaa, 0, 2 * rootInode);
  await t.rejects(openXfs(memorySource(bytes)), { code: 'FILESYSTEM_DAMAGED' });
  t.equal(await xfsDriver.matchesCopy?.(memorySource(Buffer.alloc(100))), false);
  t.equal(await xfsDriver.matchesCopy?.(memorySource(Buffer.alloc(0))), false);
});

t.test('a copy with features that are not known is one', async (t) => {
  const bytes = readFileSync(xfsImage(t, { sizeMib: 64, mkfs: ['-d', 'agcount=2'] }));
  const copy = bytes.subarray(bytes.length / 2, bytes.length / 2 + SECTOR_BYTES);
  copy.writeUInt32BE(0x80000000, 216);
  stampChecksum(copy, 224);
  const source = memorySource(bytes.fill(0, 0, SECTOR_BYTES));
  t.equal(await xfsDriver.matchesCopy?.(source), true);
  await t.rejects(openXfs(source), { code: 'FILESYSTEM_UNREADABLE', message: /0x80000000/ });
});

t.test('a copy of another one in a file is none', async (t) => {
  const bytes = readFileSync(xfsImage(t, { sizeMib: 64 }));
  const volume = Buffer.alloc(128 * MIB);
  // Where a group could begin, but not one of the size that the copy has.
  bytes.copy(volume, 20 * MIB, 0, 4096);
  t.equal(await xfsDriver.matchesCopy?.(memorySource(volume)), false);
});

t.test('it is looked for with a bound', async (t) => {
  let reads = 0;
  const nothing: ByteSource = {
    sizeBytes: 2 ** 44,
    read: (target) => {
      reads++;
      target.fill(0);
      return target.length;
    },
    locate: () => [],
  };
  t.equal(await xfsDriver.matchesCopy?.(nothing), false);
  t.ok(reads > 200 && reads < 500, `${reads} reads`);
});
