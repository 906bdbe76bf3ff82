import t from 'tap';
import { advantage, median } from '../../../scripts/benchmark/statistics.js';

t.test('the median is the middle of the sorted values', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([10, 1, 2, 9]), 5.5);
  t.equal(median([7]), 7);
  t.equal(median([]), undefined);
  const values = [100, 20, 3];
  t.equal(median(values), 20, 'sorted as numbers, not as text');
  t.strictSame(values, [100, 20, 3], 'the argument is left as it is');
});

t.test('an advantage is above 1 when ours is better, whichever direction is good', async (t) => {
  t.equal(advantage(2, 4, 'lower'), 2);
  t.equal(advantage(4, 2, 'higher'), 2);
  t.equal(advantage(4, 2, 'lower'), 0.5);
});

t.test('there is no advantage without two figures', async (t) => {
  t.equal(advantage(undefined, 4, 'lower'), undefined);
  t.equal(advantage(2, undefined, 'lower'), undefined);
  t.equal(advantage(0, 4, 'lower'), undefined);
  t.equal(advantage(4, 0, 'higher'), undefined);
});
