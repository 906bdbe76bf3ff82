import { readFileSync } from 'node:fs';
import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { extDriver } from '../../../../mount/filesystems/ext/ext.js';
import { filledExtImage } from '../../../kit/filesystems/ext-images.js';
import { type Patch, patchedSource } from '../../../kit/filesystems/fuzz.js';
import { filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

void t.test('an image with a damaged start', async (t) => {
  const options = ['-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,uninit_bg,^64bit,^has_journal', '-N', '1024'];
  const image = readFileSync(filledExtImage(t, temporaryDirectory(t), { name: 'damaged', options, sizeMib: 64 }));
  const open = async (...patches: readonly Patch[]) =>
    await extDriver.open({ source: patchedSource(image, patches), cache: new BlockCache(1024 * 1024) });
  const expected = await filesystemManifest(await open());
  const noMagic: Patch = { offset: 1024 + 56, bytes: Buffer.alloc(2) };

  await t.test('is read through a copy of the superblock', async (t) => {
    const filesystem = await open(noMagic);
    t.match(filesystem.problems, [/^a copy of the superblock is used: there is no superblock/]);
    sameManifest(t, await filesystemManifest(filesystem), expected);
    const source = patchedSource(image, [noMagic]);
    t.equal(await extDriver.matches(source), false);
    t.equal(await extDriver.matchesCopy?.(source), true);
  });

  await t.test('is read through a copy of the group descriptors', async (t) => {
    const filesystem = await open({ offset: 2048, bytes: Buffer.alloc(1024) });
    t.match(filesystem.problems, [/^a copy of the group descriptors is used/]);
    sameManifest(t, await filesystemManifest(filesystem), expected);
  });

  await t.test('is not read where there is no copy', async (t) => {
    const source = memorySource(image.subarray(0, 2048));
    t.equal(await extDriver.matchesCopy?.(memorySource(Buffer.alloc(100_000))), false);
    t.equal(await extDriver.matches(memorySource(Buffer.alloc(1500))), false);
    await t.rejects(extDriver.open({ source, cache: new BlockCache(1024 * 1024) }), { code: 'FILESYSTEM_DAMAGED' });
    await t.rejects(
      extDriver.open({ source: memorySource(Buffer.alloc(100_000)), cache: new BlockCache(1024 * 1024) }),
      { code: 'FILESYSTEM_DAMAGED' },
    );
  });

  await t.test('says that the volume is too short', async (t) => {
    const source = memorySource(image.subarray(0, image.length - 8192));
    const filesystem = await extDriver.open({ source, cache: new BlockCache(1024 * 1024) });
    t.match(filesystem.problems, [/^the file system has 67108864 bytes, the volume only/]);
  });

  await t.test('is refused with features that are not known, by their names', async (t) => {
    const incompat = image.readUInt32LE(1024 + 96);
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE((incompat | 0x80001001) >>> 0);
    await t.rejects(open({ offset: 1024 + 96, bytes }), {
      code: 'FILESYSTEM_UNREADABLE',
      message: /compression, dirdata, 0x80000000/,
      hint: /kernel/,
    });
  });
});
