import { setTimeout } from 'node:timers/promises';
import t from 'tap';

import { mapInOrder } from '../../../src/common/map-in-order.js';

async function* numbers(end: number): AsyncGenerator<number> {
  for (let number = 0; number < end; number++) yield await Promise.resolve(number);
}

t.test('results come in order, and no more than the limit are under way', async (t) => {
  let running = 0;
  let most = 0;
  const work = async (item: number): Promise<number> => {
    most = Math.max(most, ++running);
    await setTimeout((item * 7) % 5);
    running--;
    return item * 2;
  };
  const results: number[] = [];
  for await (const result of mapInOrder(numbers(20), 3, work)) results.push(result);
  t.same(
    results,
    Array.from({ length: 20 }, (_, index) => index * 2),
  );
  t.equal(most, 3);
});

t.test('nothing is running when it has failed', async (t) => {
  let running = 0;
  const work = async (item: number): Promise<number> => {
    running++;
    await setTimeout(item);
    running--;
    if (item === 2) throw new RangeError('two');
    return item;
  };
  const results: number[] = [];
  await t.rejects(
    async () => {
      for await (const result of mapInOrder(numbers(20), 4, work)) results.push(result);
    },
    { message: 'two' },
  );
  t.same(results, [0, 1]);
  t.equal(running, 0);
});

t.test('nothing is running when the consumer leaves, or the source fails', async (t) => {
  let running = 0;
  const work = async (): Promise<void> => {
    running++;
    await setTimeout(5);
    running--;
  };
  for await (const _ of mapInOrder(numbers(9), 3, work)) break;
  t.equal(running, 0);
  async function* broken(): AsyncGenerator<number> {
    yield* numbers(2);
    throw new RangeError('source');
  }
  const consume = async (): Promise<void> => {
    for await (const result of mapInOrder(broken(), 3, work)) t.equal(result, undefined);
  };
  await t.rejects(consume(), { message: 'source' });
  t.equal(running, 0);
});

t.test('a result that is there does not wait for the next item', async (t) => {
  let give: () => void = () => undefined;
  const given = new Promise<void>((resolve) => (give = resolve));
  async function* slow(): AsyncGenerator<number> {
    yield 1;
    await given;
    yield 2;
  }
  const results: number[] = [];
  for await (const result of mapInOrder(slow(), 4, (item) => Promise.resolve(item))) {
    results.push(result);
    give();
  }
  t.same(results, [1, 2]);
});

t.test('who leaves while the next item is waited for: it is not begun, and the source has ended', async (t) => {
  const begun: number[] = [];
  let hasEnded = false;
  async function* slow(): AsyncGenerator<number> {
    try {
      yield 1;
      await setTimeout(5);
      yield 2;
    } finally {
      hasEnded = true;
    }
  }
  for await (const _ of mapInOrder(slow(), 4, (item) => Promise.resolve(begun.push(item)))) break;
  t.same(begun, [1]);
  t.ok(hasEnded);
});

t.test('a source that fails while nobody asks is no unhandled rejection: who asks next is told', async (t) => {
  async function* failing(): AsyncGenerator<number> {
    yield 1;
    await setTimeout(5);
    throw new RangeError('source');
  }
  const consume = async (): Promise<void> => {
    for await (const result of mapInOrder(failing(), 4, (item) => Promise.resolve(item))) {
      t.equal(result, 1);
      await setTimeout(20);
    }
  };
  await t.rejects(consume(), { message: 'source' });
});
