import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { DirectoryItem, Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { type ExtImage, filledExtImage, openExt } from '../../../kit/filesystems/ext-images.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const NAMES = 3000;
const nameOf = (index: number): string => `${'\u00fc'.repeat(index % 40)} file number ${index}`;

/** Each kind of hash, signed and unsigned, and directories without an index. */
const IMAGES: readonly (ExtImage & { hash?: string })[] = [
  { name: 'half-md4', options: ['-t', 'ext4', '-b', '1024', '-N', '4096'] },
  { name: 'tea', options: ['-t', 'ext4', '-b', '1024', '-N', '4096', '-O', 'large_dir'], hash: 'tea' },
  { name: 'legacy', options: ['-t', 'ext4', '-b', '1024', '-N', '4096', '-O', '^metadata_csum'], hash: 'legacy' },
  { name: 'no-index', options: ['-t', 'ext2', '-b', '1024', '-N', '4096', '-O', '^dir_index'] },
];

for (const image of IMAGES) {
  void t.test(`a large directory: ${image.name}`, async (t) => {
    const path = filledExtImage(t, temporaryDirectory(t), image, fillLarge);
    if (image.hash !== undefined) execFileSync('tune2fs', ['-E', `hash_alg=${image.hash}`, path], { stdio: 'ignore' });
    const filesystem = await openExt(t, path);
    const large = await filesystem.lookup(filesystem.root, 'large');
    await findsAll(t, filesystem, large);
    for (const missing of ['none', '.', '..', '', 'x'.repeat(256), '\\x41']) {
      t.equal(await filesystem.lookup(large?.id ?? 0, missing), undefined);
    }
  });
}

function fillLarge(root: string): void {
  mkdirSync(join(root, 'large'));
  for (let index = 0; index < NAMES; index++) writeFileSync(join(root, 'large', nameOf(index)), '');
}

async function findsAll(t: Test, filesystem: Filesystem, large: DirectoryItem | undefined): Promise<void> {
  const listed = new Map<string, DirectoryItem>();
  for await (const batch of filesystem.readDirectory(large?.id ?? 0)) {
    for (const item of batch) listed.set(item.name, item);
  }
  t.equal(listed.size, NAMES);
  let wrong = 0;
  for (let index = 0; index < NAMES; index += 7) {
    const item = await filesystem.lookup(large?.id ?? 0, nameOf(index));
    if (item === undefined || item.id !== listed.get(nameOf(index))?.id) wrong++;
  }
  t.equal(wrong, 0);
}
