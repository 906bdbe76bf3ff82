import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { directoryManifest, filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { makeNtfs, mountNtfs3g, type NtfsImageOptions, openNtfs } from '../../../kit/filesystems/ntfs-image.js';
import { fillNames, fillTree } from '../../../kit/filesystems/ntfs-tree.js';

const GEOMETRIES: readonly NtfsImageOptions[] = [
  { clusterBytes: 512, sizeMib: 32 },
  { clusterBytes: 1024 },
  { clusterBytes: 4096, sectorBytes: 4096 },
  { clusterBytes: 8192, sizeMib: 48 },
  { clusterBytes: 65_536, sizeMib: 128 },
];

for (const geometry of GEOMETRIES) {
  t.test(`the same tree as ntfs-3g shows, ${JSON.stringify(geometry)}`, async (t) => {
    const image = join(temporaryDirectory(t), 'ntfs.img');
    makeNtfs(image, geometry);
    const mounted = mountNtfs3g(t, image);
    fillTree(mounted.directory, new Random(testSeed(t)));
    const many = Array.from({ length: 500 }, (_, index) => `file number ${index}`);
    fillNames(mounted.directory, 'many', many);
    for (const name of many.slice(100, 300)) rmSync(join(mounted.directory, 'many', name));
    mounted.unmount();
    const { directory } = mountNtfs3g(t, image, ['ro']);
    const expected = directoryManifest(directory);
    const filesystem = await openNtfs(t, image);
    const actual = await filesystemManifest(filesystem);
    sameManifest(t, actual, expected, { ignore: ['permissions', 'xattrs'] });
    t.ok(expected.size > 330);
    t.same(filesystem.problems, []);
    const { bsize, blocks, bfree } = statfsSync(directory);
    t.match(await filesystem.usage(), { blockBytes: bsize, blocks, freeBlocks: bfree });
    t.same(filesystem.journal, { state: 'clean' });
    t.equal(filesystem.label, 'Größe');
  });
}

t.test('clusters of 2 MiB', async (t) => {
  const image = join(temporaryDirectory(t), 'ntfs.img');
  makeNtfs(image, { clusterBytes: 2 * 1024 * 1024, sizeMib: 200 });
  const mounted = mountNtfs3g(t, image);
  const random = new Random(testSeed(t));
  fillNames(
    mounted.directory,
    'names',
    Array.from({ length: 120 }, (_, index) => `file number ${index}`),
  );
  for (const name of ['one', 'two']) writeFileSync(join(mounted.directory, name), random.bytes(100_000));
  mounted.unmount();
  const { directory } = mountNtfs3g(t, image, ['ro']);
  const actual = await filesystemManifest(await openNtfs(t, image));
  sameManifest(t, actual, directoryManifest(directory), { ignore: ['permissions', 'xattrs'] });
});
