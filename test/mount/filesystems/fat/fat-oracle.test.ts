import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { fatDriver } from '../../../../mount/filesystems/fat/fat-driver.js';
import {
  checkFat,
  copyOntoFat,
  type FatImageOptions,
  makeFatImage,
  makeTree,
  mtool,
  mtoolsPaths,
} from '../../../kit/filesystems/fat-images.js';
import {
  directoryManifest,
  filesystemManifest,
  type Manifest,
  sameManifest,
} from '../../../kit/filesystems/manifest.js';
import { fileSource } from '../../../kit/filesystems/sources.js';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const MIB = 1024 * 1024;

const IMAGES: readonly FatImageOptions[] = [
  { kind: 12, sizeBytes: 2 * MIB, options: ['-n', 'FLOPPY'] },
  { kind: 12, sizeBytes: 16 * MIB, clusterSectors: 16, options: ['-f', '1'] },
  { kind: 16, sizeBytes: 32 * MIB, clusterSectors: 1 },
  { kind: 16, sizeBytes: 64 * MIB, sectorBytes: 2048, options: ['-n', 'sixteen'] },
  { kind: 32, sizeBytes: 48 * MIB, clusterSectors: 1, options: ['-n', 'THIRTY TWO'] },
  { kind: 32, sizeBytes: 300 * MIB, sectorBytes: 4096, clusterSectors: 1 },
  { kind: 32, sizeBytes: 300 * MIB, sectorBytes: 1024, clusterSectors: 4, options: ['-f', '2'] },
];

/** What mtools do not keep: owners and modes, the times of directories, and all times but that of the last change. */
const NOT_KEPT = ['uid', 'gid', 'permissions', 'atimeNs', 'ctimeNs', 'blocks', 'nlink', 'xattrs'] as const;

for (const options of IMAGES) {
  const { kind, sizeBytes, sectorBytes = 512, clusterSectors = '?' } = options;
  t.test(
    `FAT${kind}, ${sizeBytes} bytes, ${sectorBytes} in a sector, ${clusterSectors} of these in a cluster`,
    async (t) => {
      const directory = temporaryDirectory(t);
      const image = join(directory, 'image');
      const tree = join(directory, 'tree');
      mkdirSync(tree);
      makeFatImage(image, options);
      const { blockBytes } = await (await openImage(image)).usage();
      copyOntoFat(image, tree, makeTree(tree, new Random(testSeed(t)), blockBytes));
      const filesystem = await openImage(image);
      t.match(filesystem, { type: 'vfat', uuid: '1234-ABCD', sizeBytes, problems: [], journal: { state: 'none' } });
      const actual = await filesystemManifest(filesystem);
      sameManifest(t, withoutTimes(actual), withoutTimes(evenTimes(directoryManifest(tree))), { ignore: NOT_KEPT });
      t.same([...actual.keys()].filter((path) => path !== '/').sort(), mtoolsPaths(image).sort(), 'the paths of mdir');
      sameUsage(t, await filesystem.usage(), checkFat(image));
      for (const path of actual.keys()) await foundByName(t, filesystem, path);

      async function openImage(path: string): ReturnType<typeof fatDriver.open> {
        const source = fileSource(t, path);
        t.equal(await fatDriver.matches(source), true);
        return await fatDriver.open({ source, cache: new BlockCache(MIB) });
      }
    },
  );
}

type Opened = Awaited<ReturnType<typeof fatDriver.open>>;

/** FAT keeps two seconds; mtools round down. */
function evenTimes(manifest: Manifest): Manifest {
  for (const entry of manifest.values()) {
    if (entry.mtimeNs !== undefined) entry.mtimeNs -= entry.mtimeNs % 2_000_000_000n;
  }
  return manifest;
}

function withoutTimes(manifest: Manifest): Manifest {
  for (const entry of manifest.values()) {
    if (entry.type !== 'directory') continue;
    delete entry.mtimeNs;
    delete entry.sizeBytes;
  }
  return manifest;
}

/** `fsck.vfat` ends with the clusters in use and those in all. */
function sameUsage(t: Test, usage: Awaited<ReturnType<Opened['usage']>>, report: string): void {
  const [, used, all] = /, (\d+)\/(\d+) clusters/.exec(report) ?? [];
  t.equal(usage.blocks, Number(all));
  t.equal(usage.blocks - usage.freeBlocks, Number(used));
}

async function foundByName(t: Test, filesystem: Opened, path: string): Promise<void> {
  let id = filesystem.root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    const item = await filesystem.lookup(id, name);
    const again = await filesystem.lookup(id, name.toUpperCase());
    if (item?.name !== name || again?.id !== item.id) t.fail(`${name} of ${path} is not found by its name`);
    id = item?.id ?? filesystem.root;
  }
}

t.test('a file in many pieces, on a volume that is full', async (t) => {
  const directory = temporaryDirectory(t);
  const image = join(directory, 'image');
  const tree = join(directory, 'tree');
  mkdirSync(tree);
  makeFatImage(image, { kind: 16, sizeBytes: 6 * MIB, clusterSectors: 1 });
  const random = new Random(testSeed(t));
  const names = Array.from({ length: 240 }, (_, index) => `f${index}`);
  for (const name of names) writeFileSync(join(tree, name), random.bytes(random.between(1, 40_000)));
  copyOntoFat(image, tree, names);
  mtool('mdel', image, ...names.filter((_, index) => index % 2 === 0).map((name) => `::/${name}`));
  writeFileSync(join(tree, 'scattered'), random.bytes(2 * MIB));
  copyOntoFat(image, tree, ['scattered']);
  const filesystem = await fatDriver.open({ source: fileSource(t, image), cache: new BlockCache(MIB) });
  const item = await filesystem.lookup(filesystem.root, 'SCATTERED');
  let extents = 0;
  for await (const extent of filesystem.extents(item?.id ?? 0)) extents += extent.kind === 'stored' ? 1 : 1000;
  t.ok(extents > 20 && extents < 1000, `${extents} pieces`);
  const kept = new Set([...names.filter((_, index) => index % 2 === 1), 'scattered'].map((name) => `/${name}`));
  const expected = new Map([...evenTimes(directoryManifest(tree))].filter(([path]) => kept.has(path)));
  const actual = await filesystemManifest(filesystem);
  actual.delete('/');
  sameManifest(t, actual, expected, { ignore: NOT_KEPT });
});

t.test('attributes', async (t) => {
  const directory = temporaryDirectory(t);
  const image = join(directory, 'image');
  makeFatImage(image, { kind: 12, sizeBytes: MIB });
  for (const name of ['hidden', 'readonly', 'plain', 'bare']) writeFileSync(join(directory, name), name);
  copyOntoFat(image, directory, ['hidden', 'readonly', 'plain', 'bare']);
  mtool('mmd', image, '::/d');
  mtool('mattrib', image, '+h', '+s', '::/hidden');
  mtool('mattrib', image, '+r', '::/readonly');
  mtool('mattrib', image, '-a', '::/bare');
  mtool('mattrib', image, '+h', '::/d');
  const filesystem = await fatDriver.open({ source: fileSource(t, image), cache: new BlockCache(MIB) });
  const shown = await filesystemManifest(filesystem);
  const attributesOf = (path: string): number | undefined => {
    const value = shown.get(path)?.xattrs?.['user.DOSATTRIB'];
    return value === undefined ? undefined : Buffer.from(value, 'hex').readUInt32LE(12);
  };
  t.equal(attributesOf('/hidden'), 0x26);
  t.equal(attributesOf('/readonly'), 0x21);
  t.equal(attributesOf('/plain'), undefined);
  t.equal(attributesOf('/bare'), 0);
  t.equal(attributesOf('/d'), 0x12);
  t.equal(shown.get('/readonly')?.permissions, 0o555);
  t.equal(shown.get('/plain')?.permissions, 0o755);
  for (const [path, { xattrs }] of shown) {
    const item = path === '/' ? undefined : await filesystem.lookup(filesystem.root, path.slice(1));
    const { mayHaveXattrs } = await filesystem.stat(item?.id ?? filesystem.root);
    t.equal(mayHaveXattrs, Object.keys(xattrs ?? {}).length > 0, path);
  }
});
