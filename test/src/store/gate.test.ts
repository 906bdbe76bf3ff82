import t from 'tap';
import { Gate } from '../../../src/store/gate.js';
import { Random, testSeed } from '../../kit/random.js';

t.test('shared tasks run together, exclusive ones alone', async (t) => {
  const random = new Random(testSeed(t));
  const gate = new Gate();
  let shared = 0;
  let exclusive = 0;
  let together = 0;
  let wrong = 0;
  const sharedTask = async (): Promise<void> => {
    shared++;
    for (let turn = random.below(5); turn >= 0; turn--) {
      together = Math.max(together, shared);
      if (exclusive > 0) wrong++;
      await new Promise(setImmediate);
    }
    shared--;
  };
  const exclusiveTask = async (): Promise<void> => {
    exclusive++;
    if (exclusive > 1 || shared > 0) wrong++;
    await new Promise(setImmediate);
    exclusive--;
  };
  const tasks = Array.from({ length: 200 }, async () => {
    for (let turn = random.below(40); turn > 0; turn--) await new Promise(setImmediate);
    await (random.chance(0.2) ? gate.exclusive(exclusiveTask) : gate.shared(sharedTask));
  });
  await Promise.all(tasks);
  t.equal(wrong, 0);
  t.ok(together > 1);
});

t.test('who waits for exclusive goes before later shared ones', async (t) => {
  const gate = new Gate();
  const order: string[] = [];
  const note = (name: string) => async (): Promise<void> => {
    order.push(name);
    await new Promise(setImmediate);
  };
  await Promise.all([
    gate.shared(note('first')),
    gate.exclusive(note('alone')),
    gate.shared(note('later')),
    gate.exclusive(note('alone too')),
  ]);
  t.same(order, ['first', 'alone', 'alone too', 'later']);
});

t.test('a task that fails leaves the gate', async (t) => {
  const gate = new Gate();
  await t.rejects(
    gate.exclusive(() => Promise.reject(new RangeError())),
    RangeError,
  );
  await t.rejects(
    gate.shared(() => Promise.reject(new RangeError())),
    RangeError,
  );
  t.equal(await gate.exclusive(() => Promise.resolve(1)), 1);
});
