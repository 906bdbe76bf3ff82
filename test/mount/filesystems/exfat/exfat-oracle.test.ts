import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { exfatDriver } from '../../../../mount/filesystems/exfat/exfat-driver.js';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import {
  checkExfat,
  exfatMount,
  type ExfatImageOptions,
  makeExfatImage,
} from '../../../kit/filesystems/exfat-images.js';
import { makeTree } from '../../../kit/filesystems/fat-images.js';
import { directoryManifest, filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { fileSource } from '../../../kit/filesystems/sources.js';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const IMAGES: readonly ExfatImageOptions[] = [
  { sizeBytes: 16 * MIB, clusterBytes: 512, label: 'small' },
  { sizeBytes: 64 * MIB, clusterBytes: 4 * KIB, sectorBytes: 4096, label: 'Grüße 日本' },
  { sizeBytes: 64 * MIB, clusterBytes: 32 * KIB },
  { sizeBytes: 320 * MIB, clusterBytes: MIB, sectorBytes: 2048 },
  { sizeBytes: 448 * MIB, clusterBytes: 32 * MIB, label: 'largest' },
];

for (const options of IMAGES) {
  const { sizeBytes, clusterBytes, sectorBytes = 512, label = '' } = options;
  t.test(`exFAT, ${sizeBytes} bytes, ${sectorBytes} in a sector, ${clusterBytes} in a cluster`, async (t) => {
    const image = join(temporaryDirectory(t), 'image');
    makeExfatImage(image, options);
    const random = new Random(testSeed(t));
    const writing = exfatMount(t, image, sectorBytes);
    // Directories take a cluster each: of the largest there is room for few.
    if (clusterBytes < 32 * MIB) makeTree(writing.directory, random, Math.min(clusterBytes, 100_000));
    writeFileSync(join(writing.directory, '🙂 ÀÉÎ ñandú'), random.bytes(100));
    scatter(writing.directory, random);
    writing.unmount();
    checkExfat(image);

    const filesystem = await openImage(image);
    t.match(filesystem, { type: 'exfat', label, sizeBytes, problems: [], journal: { state: 'none' } });
    const reading = exfatMount(t, image, sectorBytes, ['ro']);
    const expected = directoryManifest(reading.directory);
    const actual = await filesystemManifest(filesystem);
    // exfat-fuse counts no links of directories, and gives the top one times of its own.
    actual.delete('/');
    expected.delete('/');
    sameManifest(t, actual, expected, { ignore: ['nlink', 'xattrs'] });
    const { freeBlocks, blocks, blockBytes } = await filesystem.usage();
    const usage = statfsSync(reading.directory);
    t.equal(blockBytes, clusterBytes);
    t.equal(freeBlocks * blockBytes, usage.bfree * usage.bsize);
    t.ok(blocks >= freeBlocks);
    reading.unmount();
    for (const path of actual.keys()) await foundByName(filesystem, path);
    if (clusterBytes < MIB) await hasPieces(filesystem);

    async function openImage(path: string): Promise<Filesystem> {
      const source = fileSource(t, path);
      t.equal(await exfatDriver.matches(source), true);
      return await exfatDriver.open({ source, cache: new BlockCache(MIB) });
    }

    async function foundByName(filesystem: Filesystem, path: string): Promise<void> {
      let id = filesystem.root;
      for (const name of path.split('/').filter((part) => part !== '')) {
        const item = await filesystem.lookup(id, name);
        const again = await filesystem.lookup(id, name.toUpperCase());
        if (item?.name !== name || again?.id !== item.id) t.fail(`${name} of ${path} is not found by its name`);
        id = item?.id ?? filesystem.root;
      }
    }

    async function hasPieces(filesystem: Filesystem): Promise<void> {
      const item = await filesystem.lookup(filesystem.root, 'scattered');
      let extents = 0;
      for await (const extent of filesystem.extents(item?.id ?? 0)) extents += extent.kind === 'stored' ? 1 : 1000;
      t.ok(extents > 2 && extents < 1000, `${extents} pieces`);
    }
  });
}

/** A file in pieces: its clusters are written in turn with those of others that go. */
function scatter(directory: string, random: Random): void {
  const path = join(directory, 'scattered');
  for (let index = 0; index < 5; index++) {
    writeFileSync(path, random.bytes(40_000), { flag: 'a' });
    writeFileSync(join(directory, `between ${index}`), random.bytes(1000));
  }
  for (let index = 0; index < 5; index++) rmSync(join(directory, `between ${index}`));
}
