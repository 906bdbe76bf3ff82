import t from 'tap';
import { BlockSet, type Run } from '../../../../agent/filter/log/block-set.js';
import { Random, testSeed } from '../../../kit/random.js';

t.test('it has what was added, as a set of numbers would', async (t) => {
  const random = new Random(testSeed(t));
  const blocks = new BlockSet(4096);
  const model = new Set<number>();
  for (let round = 0; round < 300; round++) {
    const first = random.chance(0.2) ? random.below(200_000) : random.below(300);
    const count = random.chance(0.1) ? random.below(40_000) : random.below(20);
    blocks.add([first, count]);
    for (let block = first; block < first + count; block++) model.add(block);
  }
  let listed = 0;
  let end = -1;
  for (const [first, count] of blocks.runs()) {
    if (first <= end) t.fail('runs are in order and do not touch');
    for (let block = first; block < first + count; block++) if (!model.has(block)) t.fail(`${block} was not added`);
    listed += count;
    end = first + count;
  }
  t.equal(listed, model.size);
  for (let round = 0; round < 300; round++) {
    const run: Run = [random.below(200_000), random.between(1, 3)];
    const members = Array.from({ length: run[1] }, (_, index) => model.has(run[0] + index));
    if (blocks.hasAll(run) !== members.every(Boolean)) t.fail(`all of ${run.join(' ')}`);
    if (blocks.hasAny(run) !== members.some(Boolean)) t.fail(`any of ${run.join(' ')}`);
  }
});

t.test('ranges of bytes', async (t) => {
  const blocks = new BlockSet(1000);
  t.ok(blocks.isEmpty);
  t.strictSame(blocks.run(999, 1), [0, 1]);
  t.strictSame(blocks.run(999, 2), [0, 2]);
  t.strictSame(blocks.run(5000, 0), [5, 0]);
  blocks.add(blocks.run(1500, 1000));
  blocks.add(blocks.run(4100, 1));
  t.notOk(blocks.isEmpty);
  t.strictSame(
    [...blocks.ranges(4200)],
    [
      { offset: 1000, length: 2000 },
      { offset: 4000, length: 200 },
    ],
    'cut at the end of the file',
  );
  t.strictSame([...blocks.ranges(900)], []);
});

t.test('sets are united, of the same and of another size of blocks', async (t) => {
  const small = new BlockSet(10);
  small.add([0, 3]);
  small.add([40_000, 1]);
  const same = new BlockSet(10);
  same.add([3, 1]);
  same.addAll(small);
  t.strictSame(
    [...same.runs()],
    [
      [0, 4],
      [40_000, 1],
    ],
  );
  const large = new BlockSet(100);
  large.addAll(small);
  t.strictSame(
    [...large.runs()],
    [
      [0, 1],
      [4000, 1],
    ],
  );
});

t.test('what would take too much memory is everything', async (t) => {
  const blocks = new BlockSet(1);
  for (let page = 0; page < 8192; page++) blocks.add([page * 32_768, 1]);
  t.notOk(blocks.isFull);
  blocks.add([8192 * 32_768, 1]);
  t.ok(blocks.isFull);
  t.ok(blocks.has(5));
  t.notOk(blocks.isEmpty);
  t.strictSame([...blocks.ranges(77)], [{ offset: 0, length: 77 }]);
  for (const size of [1, 2]) {
    const other = new BlockSet(size);
    other.addAll(blocks);
    t.ok(other.isFull);
  }
});
