import t from 'tap';
import { type ExtImage, filledExtImage, sameAsKernel } from '../../../kit/filesystems/ext-images.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const IMAGES: readonly ExtImage[] = [
  { name: 'ext2-1k-128', options: ['-t', 'ext2', '-b', '1024', '-I', '128'], sizeMib: 64 },
  { name: 'ext3-1k-256', options: ['-t', 'ext3', '-b', '1024', '-I', '256'] },
  { name: 'ext4-4k-256', options: ['-t', 'ext4', '-b', '4096', '-I', '256'] },
];

void t.test('the reader shows what the kernel shows', async (t) => {
  const directory = temporaryDirectory(t);
  for (const image of IMAGES) {
    await t.test(image.name, async (t) => {
      await sameAsKernel(t, filledExtImage(t, directory, image));
    });
  }
});
