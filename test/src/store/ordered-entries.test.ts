import t from 'tap';
import { OrderedEntries, type Between } from '../../../src/store/ordered-entries.js';
import { Random, testSeed } from '../../kit/random.js';

interface Value {
  readonly number: number;
}

/** Few enough to meet again, and enough for several blocks. */
function randomKey(random: Random): string {
  return String(random.below(2000));
}

function inModel(model: ReadonlyMap<string, Value>, { gte, gt, lte, lt }: Between, isReverse: boolean): unknown[] {
  const found = [...model]
    .filter(([key]) => (gte === undefined || key >= gte) && (gt === undefined || key > gt))
    .filter(([key]) => (lte === undefined || key <= lte) && (lt === undefined || key < lt))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return isReverse ? found.reverse() : found;
}

t.test('is what a map is, in order', (t) => {
  const random = new Random(testSeed(t));
  const entries = new OrderedEntries<Value>();
  const model = new Map<string, Value>();
  const differences: unknown[] = [];
  const open: (readonly [Iterable<readonly [string, Value]>, unknown[]])[] = [];
  for (let number = 0; number < 6000; number += 1) {
    const key = randomKey(random);
    // It grows, and then becomes empty again.
    const isDeleted = random.chance(number < 3000 ? 0.2 : 0.8);
    const value = { number };
    const before = isDeleted ? entries.delete(key) : entries.set(key, value);
    if (before !== model.get(key)) differences.push(key);
    if (isDeleted) model.delete(key);
    else model.set(key, value);
    if (entries.get(key) !== model.get(key)) differences.push(key);
    if (number % 200 !== 0) continue;
    const range = {
      [random.chance(0.5) ? 'gte' : 'gt']: random.chance(0.7) ? randomKey(random) : undefined,
      [random.chance(0.5) ? 'lte' : 'lt']: random.chance(0.7) ? randomKey(random) : undefined,
    };
    const isReverse = random.chance(0.5);
    open.push([entries.between(range, isReverse), inModel(model, range, isReverse)]);
  }
  t.same(differences, []);
  for (const [found, expected] of open) t.same([...found], expected, 'as it was when it began');
  for (const key of model.keys()) entries.delete(key);
  t.same([...entries.between()], []);
  t.end();
});

t.test('takes bounds of both kinds at once', (t) => {
  const entries = new OrderedEntries<Value>();
  for (const key of 'abcde') entries.set(key, { number: 0 });
  const keys = (range: Between): string => [...entries.between(range)].map(([key]) => key).join('');
  t.equal(keys({ gte: 'b', gt: 'b', lte: 'd', lt: 'd' }), 'c');
  t.equal(keys({ gte: 'c', gt: 'a', lte: 'c', lt: 'e' }), 'c');
  t.equal(keys({ gte: 'd', lt: 'b' }), '');
  t.equal([...entries.between({ gt: 'a', lte: 'c', lt: 'e' }, true)].map(([key]) => key).join(''), 'cb');
  t.end();
});
