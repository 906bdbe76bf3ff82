import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { BLOCK_BYTES } from '../../../scripts/benchmark/images.js';
import { SeededRandom } from '../../../scripts/benchmark/random.js';
import { readBlocks, type ReaderResult, VERIFIED } from '../../../scripts/benchmark/random-reader.js';

const READER = path.resolve(import.meta.dirname, '../../../scripts/benchmark/random-reader.js');

t.test('the blocks are read, in a process of its own too, and the first ones hashed', async (t) => {
  const dir = t.testdir();
  const image = new SeededRandom(9).bytes(200 * BLOCK_BYTES);
  writeFileSync(path.join(dir, 'image'), image);
  const offsets = Array.from({ length: 120 }, (_, index) => (119 - index) * BLOCK_BYTES);
  writeFileSync(path.join(dir, 'offsets'), JSON.stringify(offsets));
  const hash = createHash('sha256');
  for (const offset of offsets.slice(0, VERIFIED)) hash.update(image.subarray(offset, offset + BLOCK_BYTES));

  const printed = execFileSync(process.execPath, [READER, path.join(dir, 'image'), path.join(dir, 'offsets'), '10']);
  const result = JSON.parse(printed.toString()) as ReaderResult;
  t.equal(result.reads, 120);
  t.equal(result.sha256, hash.digest('hex'));
  t.ok(result.seconds > 0);
  t.equal(readBlocks(path.join(dir, 'image'), offsets, 0).reads, VERIFIED, 'a limit ends it after the verified ones');
});
