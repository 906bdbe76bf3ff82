import t from 'tap';
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
    t.equal(filesystem.sizeBytes, sizeMib * 1024 * 1024);
  });
}
