import { execFileSync } from 'node:child_process';
import { closeSync, copyFileSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { openBtrfs } from '../../../../mount/filesystems/btrfs/driver.js';
import { dirtyFuzzImage, fuzzBtrfs, fuzzImage } from '../../../kit/filesystems/btrfs-fuzz.js';
import { MIB, readBtrfs } from '../../../kit/filesystems/btrfs-image.js';
import { corpusTest } from '../../../kit/filesystems/corpus.js';
import { exercise } from '../../../kit/filesystems/fuzz.js';
import { fileSource } from '../../../kit/filesystems/sources.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { firstSeed, repeats } from '../../../kit/repeats.js';

t.test('mutants of a file system with a log give errors, and nothing worse', async (t) => {
  const file = dirtyFuzzImage(t);
  t.same((await readBtrfs(t, file)).journal, { state: 'replayed' });
  await fuzzBtrfs(t, fuzzImage(file), firstSeed(t), repeats(80));
});

corpusTest(t, 'images that others damaged give errors, and nothing worse', async (t, corpus) => {
  const folder = join(corpus, 'btrfs-progs', 'tests');
  const images = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(img|raw)(\.xz)?$/.test(path) && !path.startsWith('convert-tests') && !/disk[^15]/.test(path))
    .sort();
  t.ok(images.length > 40);
  for (const path of images) {
    const source = unpacked(t, join(folder, path));
    if (source === undefined) continue;
    const wrong = await exercise(source, (strict) => openBtrfs({ sources: [strict], cache: new BlockCache(4 * MIB) }));
    t.same(wrong, [], path);
  }
});

/** An image, unpacked; what is a dump of metadata is restored. Undefined if the tools cannot make an image of it. */
function unpacked(t: Test, path: string): ByteSource | undefined {
  const directory = temporaryDirectory(t);
  const [plain, image] = [join(directory, 'plain'), join(directory, 'image')];
  if (path.endsWith('.xz')) {
    const fd = openSync(plain, 'w');
    execFileSync('xz', ['-dc', path], { stdio: ['ignore', fd, 'ignore'] });
    closeSync(fd);
  } else copyFileSync(path, plain);
  if (!path.includes('.img')) return fileSource(t, plain);
  try {
    execFileSync('btrfs-image', ['-r', plain, image], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return fileSource(t, image);
}
