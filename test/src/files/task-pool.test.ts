import t from 'tap';
import { TaskPool } from '../../../src/files/task-pool.js';

/** A task that ends when it is told to. */
class Held {
  hasBegun = false;
  end: () => void = () => undefined;
  fail: (error: Error) => void = () => undefined;
  readonly #ended = new Promise<void>((resolve, reject) => {
    this.end = resolve;
    this.fail = reject;
  });

  readonly run = (): Promise<void> => {
    this.hasBegun = true;
    return this.#ended;
  };
}

function held(count: number): Held[] {
  return Array.from({ length: count }, () => new Held());
}

/** Let everything go on that can. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

t.test('no more run at once than there is room for', async (t) => {
  const pool = new TaskPool(2);
  const tasks = held(4);
  const begun = (): boolean[] => tasks.map(({ hasBegun }) => hasBegun);
  const all = (async () => {
    for (const { run } of tasks) await pool.run(run);
    await pool.drain();
    return 'drained';
  })();
  await turn();
  t.same(begun(), [true, true, false, false]);
  tasks[1]?.end();
  await turn();
  t.same(begun(), [true, true, true, false]);
  tasks[0]?.end();
  await turn();
  t.same(begun(), [true, true, true, true]);
  tasks[2]?.end();
  tasks[3]?.end();
  t.equal(await all, 'drained');
});

t.test('what one throws comes to who begins the next, which is not begun', async (t) => {
  const pool = new TaskPool(2);
  const [one = new Held(), two = new Held(), three = new Held()] = held(3);
  await pool.run(one.run);
  await pool.run(two.run);
  one.fail(new Error('the first'));
  two.fail(new Error('the second'));
  await t.rejects(pool.run(three.run), { message: 'the first' });
  t.notOk(three.hasBegun);
  await t.rejects(pool.drain(), { message: 'the first' });
  await pool.settle();
});

t.test('settling waits for all, whatever becomes of them', async (t) => {
  const pool = new TaskPool(3);
  const [one = new Held(), two = new Held()] = held(2);
  await pool.run(one.run);
  await pool.run(two.run);
  one.fail(new Error('the first'));
  let isSettled = false;
  const settled = pool.settle().then(() => (isSettled = true));
  await turn();
  t.notOk(isSettled, 'one still runs');
  two.end();
  t.ok(await settled);
  await new TaskPool(1).drain();
});
