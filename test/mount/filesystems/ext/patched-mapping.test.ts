import t from 'tap';
import type { BlockMapping, Run } from '../../../../mount/filesystems/ext/block-mapping.js';
import { PatchedMapping } from '../../../../mount/filesystems/ext/patched-mapping.js';
import { Random, testSeed } from '../../../kit/random.js';

const BASE: BlockMapping = {
  find: (block) => ({ start: block - (block % 10), length: 10, physical: 1000 + block - (block % 10) }),
};
const LATER: BlockMapping = { find: async (block) => await BASE.find(block) };

/** Where each of the first blocks stands. */
async function blocksOf(mapping: BlockMapping, count: number): Promise<(number | undefined)[]> {
  const blocks: (number | undefined)[] = [];
  while (blocks.length < count) {
    const at = blocks.length;
    const { start, length, physical } = await mapping.find(at);
    if (start > at || start + length <= at) throw new TypeError('a run without its block');
    for (let block = at; block < Math.min(count, start + length); block++) {
      blocks.push(physical === undefined ? undefined : physical + block - start);
    }
  }
  return blocks;
}

void t.test('later patches lie over earlier ones, and all over what was there', async (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 50; round++) {
    const patches: Run[] = Array.from({ length: random.below(12) }, (_, index) => ({
      start: random.below(90),
      length: random.between(1, 30),
      physical: random.chance(0.7) ? 5000 + 100 * index : undefined,
    }));
    const expected = await blocksOf(BASE, 100);
    for (const { start, length, physical } of patches) {
      for (let block = start; block < Math.min(100, start + length); block++) {
        expected[block] = physical === undefined ? undefined : physical + block - start;
      }
    }
    t.same(await blocksOf(new PatchedMapping(random.chance(0.5) ? BASE : LATER, patches), 100), expected);
  }
});
