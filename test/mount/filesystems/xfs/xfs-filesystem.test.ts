import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { sha256OfReader } from '../../../kit/filesystems/manifest.js';
import { fillXfs } from '../../../kit/filesystems/xfs-fill.js';
import { sameAsKernel, xfsImage } from '../../../kit/filesystems/xfs-image.js';

interface Variant {
  readonly name: string;
  readonly blockBytes: number;
  readonly mkfs: readonly string[];
  readonly reflink?: boolean;
  readonly bigtime?: boolean;
  readonly sizeMib?: number;
}

const PLAIN = ['-m', 'reflink=0,bigtime=0,rmapbt=0'];

const VARIANTS: readonly Variant[] = [
  { name: 'as mkfs.xfs makes it', blockBytes: 4096, mkfs: ['-m', 'reflink=1,bigtime=1'], reflink: true },
  {
    name: 'blocks of 1 KiB, directory blocks of 4 KiB',
    blockBytes: 1024,
    mkfs: ['-b', 'size=1024', '-n', 'size=4096', ...PLAIN],
    bigtime: false,
  },
  {
    name: 'large extent counts, inodes of 1 KiB, directory blocks of 16 KiB',
    blockBytes: 4096,
    mkfs: ['-i', 'size=1024,nrext64=1,sparse=1', '-n', 'size=16384', '-m', 'reflink=1,rmapbt=1,bigtime=1'],
    reflink: true,
  },
  {
    name: 'blocks of 64 KiB, inodes of 2 KiB',
    blockBytes: 65_536,
    mkfs: ['-b', 'size=65536', '-i', 'size=2048', '-m', 'reflink=1,bigtime=1'],
    reflink: true,
    sizeMib: 1024,
  },
];

/** Put the files together from where their extents say that the bytes are; which of them are not what is read. */
async function contentFailures(filesystem: Filesystem, volume: Buffer): Promise<string[]> {
  const failures: string[] = [];
  const directory = (await filesystem.lookup(filesystem.root, 'files'))?.id ?? 0;
  for await (const batch of filesystem.readDirectory(directory)) {
    for (const { name, id } of batch) {
      const hash = createHash('sha256');
      let end = 0;
      for await (const extent of filesystem.extents(id)) {
        if (extent.offset !== end) failures.push(`${name}: a gap at ${end}`);
        end += extent.length;
        if (extent.kind === 'hole') hash.update(Buffer.alloc(extent.length));
        if (extent.kind !== 'stored') continue;
        for (const { offset, length } of extent.locations) hash.update(volume.subarray(offset, offset + length));
      }
      if (end !== (await filesystem.stat(id)).sizeBytes) failures.push(`${name}: ${end} bytes`);
      if (hash.digest('hex') !== (await sha256OfReader(filesystem, id))) failures.push(`${name}: content`);
    }
  }
  return failures;
}

for (const { name, mkfs, sizeMib = 320, ...fill } of VARIANTS) {
  t.test(`shows what the kernel shows: ${name}`, async (t) => {
    const image = xfsImage(t, {
      sizeMib,
      mkfs,
      fill: (directory) => {
        fillXfs(directory, fill);
      },
    });
    const filesystem = await sameAsKernel(t, image);
    t.equal(filesystem.type, 'xfs');
    t.same(await contentFailures(filesystem, readFileSync(image)), []);
    t.equal(filesystem.sizeBytes, sizeMib * 1024 * 1024);
  });
}
