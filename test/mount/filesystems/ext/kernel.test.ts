import t from 'tap';
import {
  type ExtImage,
  fillTree,
  filledExtImage,
  sameAsKernel,
  sameUsageAsKernel,
} from '../../../kit/filesystems/ext-images.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const ext4 = (name: string, blockBytes: number, features: string, ...others: string[]): ExtImage => ({
  name,
  options: ['-t', 'ext4', '-b', String(blockBytes), '-O', features, ...others],
});

const IMAGES: readonly ExtImage[] = [
  { name: 'ext2-1k-128', options: ['-t', 'ext2', '-b', '1024', '-I', '128', '-O', '^resize_inode'], sizeMib: 80 },
  {
    name: 'ext2-2k-no-filetype',
    options: ['-t', 'ext2', '-b', '2048', '-O', '^filetype,^dir_index,^sparse_super,^resize_inode'],
  },
  { name: 'ext3-1k-256', options: ['-t', 'ext3', '-b', '1024', '-I', '256'] },
  ext4('ext4-4k', 4096, '64bit,metadata_csum,^flex_bg,huge_file'),
  ext4('ext4-1k-inline', 1024, 'inline_data,metadata_csum,^has_journal', '-I', '1024'),
  ext4('ext4-4k-inline', 4096, 'inline_data,^metadata_csum,ea_inode,large_dir', '-I', '256'),
  ext4('ext4-2k-meta-bg', 2048, 'meta_bg,^resize_inode,^metadata_csum,uninit_bg', '-g', '1024', '-N', '8192'),
  ext4('ext4-1k-meta-bg-64', 1024, 'meta_bg,^resize_inode,64bit,metadata_csum', '-g', '1024', '-N', '8192'),
  ext4('ext4-bigalloc', 4096, 'bigalloc,sparse_super2,metadata_csum', '-C', '65536'),
  ext4('ext4-bigalloc-1k', 1024, 'bigalloc,extents', '-C', '16384', '-I', '128'),
  ext4('ext4-orphan-file', 4096, 'verity,orphan_file,metadata_csum_seed,encrypt', '-I', '512'),
];

void t.test('the reader shows what the kernel shows', async (t) => {
  const directory = temporaryDirectory(t);
  for (const image of IMAGES) {
    await t.test(image.name, async (t) => {
      const path = filledExtImage(t, directory, image, (root) => {
        fillTree(root, 120);
      });
      await sameAsKernel(t, path);
      await sameUsageAsKernel(t, path);
    });
  }
});
