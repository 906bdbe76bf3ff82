import t from 'tap';
import { compareKeys, type Key, makeKey } from '../../../../mount/filesystems/btrfs/key.js';
import { type Change, SortedChanges } from '../../../../mount/filesystems/btrfs/sorted-changes.js';
import { Random } from '../../../kit/random.js';

/** How many values `work` moves in arrays by insertions. */
function movesOf(work: () => void): number {
  const splice = Array.prototype.splice;
  let moves = 0;
  Array.prototype.splice = function (this: unknown[], start: number, ...others: [number, ...unknown[]]) {
    moves += this.length - start;
    return Reflect.apply(splice, this, [start, ...others]) as unknown[];
  };
  try {
    work();
  } finally {
    Array.prototype.splice = splice;
  }
  return moves;
}

t.test('says what a sorted list says', async (t) => {
  const random = new Random(1);
  const changes = new SortedChanges();
  const model = new Map<string, Change>();
  const anyKey = (): Key => makeKey(random.below(3), random.below(3), random.below(2000) - 5);
  for (let step = 0; step < 20_000; step++) {
    const key = anyKey();
    const change = { ...key, data: random.chance(0.3) ? undefined : Buffer.of(step) };
    const id = JSON.stringify(key);
    if (changes.put(change) !== model.get(id)) t.fail('what it takes the place of');
    model.set(id, change);
  }
  const sorted = [...model.values()].sort(compareKeys);
  const all = { from: makeKey(0, 0, 0), to: makeKey(-1, 255, -1) };
  t.ok(isSame(changes.between(all.from, all.to), sorted));
  for (let turn = 0; turn < 50; turn++) {
    const [from, to] = [anyKey(), anyKey()];
    const expected = sorted.filter((change) => compareKeys(change, from) >= 0 && compareKeys(change, to) <= 0);
    if (!isSame(changes.between(from, to), expected)) t.fail(JSON.stringify({ from, to }));
    const floor = sorted.findLast((change) => compareKeys(change, from) <= 0);
    if (changes.floor(from) !== floor) t.fail(JSON.stringify(from));
    if (changes.find(from) !== (floor !== undefined && compareKeys(floor, from) === 0 ? floor : undefined))
      t.fail(JSON.stringify(from));
  }
});

function isSame(a: readonly Change[], b: readonly Change[]): boolean {
  return a.length === b.length && a.every((change, index) => change === b[index]);
}

t.test('empty, and before and behind all', async (t) => {
  const changes = new SortedChanges();
  t.equal(changes.floor(makeKey(5, 1, 1)), undefined);
  t.strictSame(changes.between(makeKey(0, 0, 0), makeKey(-1, 255, -1)), []);
  changes.put({ ...makeKey(5, 1, 1), data: undefined });
  t.equal(changes.floor(makeKey(5, 1, 0)), undefined);
  t.strictSame(changes.between(makeKey(5, 1, 2), makeKey(-1, 255, -1)), []);
  t.strictSame(changes.between(makeKey(0, 0, 0), makeKey(5, 1, 0)), []);
});

t.test('an insertion moves no more, however many there are', async (t) => {
  const COUNT = 20_000;
  const orders: readonly ((index: number) => number)[] = [
    (index) => index,
    (index) => COUNT - index,
    (index) => (index * 7919) % COUNT,
  ];
  for (const order of orders) {
    const changes = new SortedChanges();
    const moves = movesOf(() => {
      for (let index = 0; index < COUNT; index++) changes.put({ ...makeKey(5, 1, order(index)), data: undefined });
    });
    t.ok(moves < 600 * COUNT, `${moves} moves`);
  }
});
