import t from 'tap';
import type { KvOperation } from '../../../src/store/kv.js';
import { operationBytes, WriteQueue } from '../../../src/store/write-queue.js';
import { bytes, textOf } from '../../kit/bytes.js';

interface Applied {
  readonly keys: string;
  readonly sync: boolean;
}

function put(key: string, size = 1): KvOperation {
  return { type: 'put', key: bytes(key), value: Buffer.alloc(size) };
}

/** A queue whose batches are noted; a batch with the key "bad" fails. */
function notingQueue(): { readonly queue: WriteQueue; readonly applied: Applied[] } {
  const applied: Applied[] = [];
  let running = 0;
  const queue = new WriteQueue(async (operations, sync) => {
    const keys = operations.map(({ key }) => textOf(key)).join(' ');
    applied.push({ keys: running++ === 0 ? keys : 'two at once', sync });
    await new Promise(setImmediate);
    running--;
    if (keys.includes('bad')) throw new RangeError(keys);
  });
  return { queue, applied };
}

t.test('small batches that wait become one', async (t) => {
  const { queue, applied } = notingQueue();
  await Promise.all([
    queue.write([put('a')], false),
    queue.write([put('b'), put('c')], false),
    queue.write([put('d')], true),
    queue.write([put('big', 2_000_000)], true),
    queue.write([put('e')], false),
  ]);
  t.same(applied, [
    { keys: 'a', sync: false },
    { keys: 'b c d', sync: true },
    { keys: 'big', sync: true },
    { keys: 'e', sync: false },
  ]);
  await queue.idle();
});

t.test('all batches of a group fail together, later ones go on', async (t) => {
  const { queue, applied } = notingQueue();
  const outcomes = await Promise.allSettled([
    queue.write([put('a')], false),
    queue.write([put('b')], false),
    queue.write([put('bad')], false),
    queue.alone(() => Promise.reject(new TypeError())),
    queue.write([put('c')], false),
  ]);
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'],
  );
  t.equal(applied.length, 3);
});

t.test('alone runs between batches', async (t) => {
  const { queue, applied } = notingQueue();
  await Promise.all([
    queue.write([put('a')], false),
    queue.alone(async () => {
      applied.push({ keys: 'alone', sync: false });
      await new Promise(setImmediate);
    }),
    queue.write([put('b')], false),
  ]);
  t.same(
    applied.map(({ keys }) => keys),
    ['a', 'alone', 'b'],
  );
});

t.test('operationBytes', (t) => {
  t.equal(operationBytes([put('key', 10), { type: 'del', key: bytes('ab') }]), 15);
  t.end();
});
