import t from 'tap';

import { SequenceSet } from '../../../src/store/sequence-set.js';
import { Random, testSeed } from '../../kit/random.js';

t.test('is a set of numbers', (t) => {
  const random = new Random(testSeed(t));
  const edges = [0, 31, 32, 63, 2 ** 15 - 1, 2 ** 15, 2 ** 32 + 31, 2 ** 47 + 5];
  const pick = (): number => (random.chance(0.1) ? (edges[random.below(edges.length)] ?? 0) : random.below(100_000));
  const [set, other] = [new SequenceSet(), new SequenceSet()];
  const [model, otherModel] = [new Set<number>(), new Set<number>()];
  for (let turn = 0; turn < 5000; turn++) {
    const sequence = pick();
    if (set.add(sequence) === model.has(sequence)) t.fail(`add ${sequence}`);
    model.add(sequence);
    if (turn % 2 === 0) {
      other.add(sequence + 7);
      otherModel.add(sequence + 7);
    }
  }
  const agree = (): number =>
    Array.from({ length: 5000 }, pick).filter((sequence) => set.has(sequence) !== model.has(sequence)).length;
  t.equal(agree(), 0);
  set.addAll(other);
  for (const sequence of otherModel) model.add(sequence);
  t.equal(agree(), 0);
  t.ok([...model].every((sequence) => set.has(sequence)));
  set.add(999_999);
  t.notOk(other.has(999_999), 'the other one is not changed');
  t.end();
});
