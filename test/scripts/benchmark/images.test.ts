import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import {
  BLOCK_BYTES,
  copyHead,
  copyInPlace,
  dataBytes,
  dataOffsets,
  differingBytes,
  scribble,
} from '../../../scripts/benchmark/images.js';
import { SeededRandom } from '../../../scripts/benchmark/random.js';

const BLOCKS = 3000;

/** An image of which every third block holds data, and a tail that is no whole block. */
function makeImage(): Buffer {
  const image = Buffer.alloc(BLOCKS * BLOCK_BYTES + 10);
  for (let block = 0; block < BLOCKS; block += 3)
    image.fill((block % 255) + 1, block * BLOCK_BYTES, block * BLOCK_BYTES + 9);
  return image;
}

t.test('a copy in place writes only what differs, and leaves the file the same', async (t) => {
  const dir = t.testdir();
  const [source, target] = [path.join(dir, 'source'), path.join(dir, 'target')];
  const image = makeImage();
  writeFileSync(source, image);
  t.equal(copyInPlace(source, target), 1000 * BLOCK_BYTES, 'holes are not written into a new file');
  t.ok(readFileSync(target).equals(image));
  t.equal(copyInPlace(source, target), 0);

  const { ino } = statSync(target);
  image.fill(0, 3 * BLOCK_BYTES, 4 * BLOCK_BYTES);
  image.fill(7, 5 * BLOCK_BYTES, 7 * BLOCK_BYTES);
  writeFileSync(source, image);
  t.equal(differingBytes(source, target), 3 * BLOCK_BYTES);
  t.equal(copyInPlace(source, target), 3 * BLOCK_BYTES);
  t.ok(readFileSync(target).equals(image));
  t.equal(statSync(target).ino, ino);
});

t.test('a copy in place cuts a longer target', async (t) => {
  const dir = t.testdir({ source: 'short', target: 'rather long' });
  copyInPlace(path.join(dir, 'source'), path.join(dir, 'target'));
  t.equal(readFileSync(path.join(dir, 'target'), 'utf8'), 'short');
});

t.test('data is counted and found by block', async (t) => {
  const file = path.join(t.testdir(), 'image');
  writeFileSync(file, makeImage());
  t.equal(dataBytes(file), 1000 * BLOCK_BYTES);
  const offsets = dataOffsets(file, 50, new SeededRandom(3));
  t.equal(offsets.length, 50);
  t.ok(offsets.every((offset) => offset % (3 * BLOCK_BYTES) === 0));
  t.strictSame(dataOffsets(file, 50, new SeededRandom(3)), offsets);
});

t.test('an image without data has no offsets to read', async (t) => {
  const file = path.join(t.testdir(), 'image');
  writeFileSync(file, Buffer.alloc(10 * BLOCK_BYTES));
  t.throws(() => dataOffsets(file, 1, new SeededRandom(3)), { name: 'BenchError' });
});

t.test('the head of an image is copied, and padded when the image is shorter', async (t) => {
  const dir = t.testdir();
  const source = path.join(dir, 'source');
  const image = makeImage();
  writeFileSync(source, image);
  copyHead(source, path.join(dir, 'head'), 10 * BLOCK_BYTES);
  t.ok(readFileSync(path.join(dir, 'head')).equals(image.subarray(0, 10 * BLOCK_BYTES)));
  copyHead(source, path.join(dir, 'padded'), image.length + 5);
  t.ok(readFileSync(path.join(dir, 'padded')).equals(Buffer.concat([image, Buffer.alloc(5)])));
});

t.test('scribbling changes the spots and nothing else', async (t) => {
  const file = path.join(t.testdir(), 'image');
  const image = makeImage();
  writeFileSync(file, image);
  scribble(file, [0, 100_000], 500, new SeededRandom(4));
  const after = readFileSync(file);
  t.notOk(after.subarray(0, 500).equals(image.subarray(0, 500)));
  t.ok(after.subarray(500, 100_000).equals(image.subarray(500, 100_000)));
  t.ok(after.subarray(100_500).equals(image.subarray(100_500)));
});
