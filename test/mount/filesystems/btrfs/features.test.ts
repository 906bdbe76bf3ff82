import t from 'tap';
import { btrfsImage, EVERYTHING, kernelManifest, readBtrfs } from '../../../kit/filesystems/btrfs-image.js';
import { filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';

/** Every kind of single-device file system that mkfs makes and the kernel mounts, with the options to fill it. */
const KINDS: readonly { name: string; mkfs: readonly string[]; mount: readonly string[] }[] = [
  { name: 'zlib, xxhash64, nodes of 64 KiB', mkfs: ['--csum', 'xxhash', '-n', '64k'], mount: ['compress-force=zlib'] },
  { name: 'LZO, SHA-256, nodes of 4 KiB', mkfs: ['--csum', 'sha256', '-n', '4k'], mount: ['compress-force=lzo'] },
  {
    name: 'zstd, BLAKE2b, holes as items',
    mkfs: ['--csum', 'blake2', '-O', '^no-holes'],
    mount: ['compress-force=zstd:15'],
  },
  { name: 'mixed groups, no checksums of data', mkfs: ['--mixed', '-n', '4k'], mount: ['nodatasum'] },
  { name: 'DUP, compression where it pays', mkfs: ['-d', 'dup', '-m', 'dup'], mount: ['compress=zstd'] },
  {
    name: 'single, nothing inline',
    mkfs: ['-d', 'single', '-m', 'single'],
    mount: ['nodatacow', 'max_inline=0'],
  },
];

for (const { name, mkfs, mount } of KINDS) {
  t.test(`as the kernel shows it: ${name}`, async (t) => {
    const image = btrfsImage(t, { mkfs, mount, fill: EVERYTHING });
    sameManifest(t, await filesystemManifest(await readBtrfs(t, image)), kernelManifest(t, image));
  });
}
