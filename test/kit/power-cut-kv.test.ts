import t from 'tap';
import type { KvOperation, KvStore } from '../../src/store/kv.js';
import { numberKey } from './bytes.js';
import { openPowerCutKv } from './power-cut-kv.js';
import { Random, testSeed } from './random.js';

const random = new Random(testSeed(t));

async function numbersIn(kv: KvStore): Promise<Set<number>> {
  const found = new Set<number>();
  for await (const key of kv.keys()) found.add(Number(Buffer.from(key).readBigUInt64BE()));
  return found;
}

/** A batch of two entries, so that a torn one would show. */
function batch(number: number): KvOperation[] {
  const value = Buffer.alloc(random.below(300));
  return [2 * number, 2 * number + 1].map((key) => ({ type: 'put', key: numberKey(key), value }));
}

for (const reordering of [false, true]) {
  t.test(`what a power cut leaves${reordering ? ', with reordering' : ''}`, async (t) => {
    let lostSome = 0;
    let keptSome = 0;
    let lostBeforeSynced = 0;
    for (let round = 0; round < 300; round++) {
      const kv = openPowerCutKv({ random, logBytes: 1000, reordering });
      const synced = new Set<number>();
      const count = random.between(1, 40);
      for (let number = 0; number < count; number++) {
        const sync = random.chance(0.2);
        await kv.write(batch(number), { sync });
        if (sync) synced.add(number);
      }
      const left = await numbersIn(kv.powerCut());
      const batches = [...Array(count).keys()].filter((number) => left.has(2 * number));
      if (left.size !== 2 * batches.length) t.fail('a batch is torn');
      if ([...synced].some((number) => !batches.includes(number))) t.fail('a synced batch is lost');
      if (batches.length < count) lostSome++;
      if (batches.length > synced.size) keptSome++;
      const lastSynced = Math.max(-1, ...synced);
      if (batches.filter((number) => number < lastSynced).length < lastSynced) lostBeforeSynced++;
      await t.rejects(kv.get(numberKey(1)), { code: 'STORE_FAILED' });
    }
    t.ok(lostSome > 10 && keptSome > 10, 'unsynced batches are lost or kept');
    t.ok(lostBeforeSynced > 2, 'an unsynced batch may be lost although a later one is synced');
  });
}

t.test('a write that waits when the power is cut fails, and may be there', async (t) => {
  let there = 0;
  for (let round = 0; round < 50; round++) {
    const kv = openPowerCutKv({ random });
    const write = kv.write(batch(0), { sync: true });
    const after = kv.powerCut();
    await t.rejects(write, { code: 'STORE_FAILED' });
    there += (await numbersIn(after)).size / 2;
  }
  t.ok(there > 0 && there < 50);
});

t.test('deletes are lost like puts; compaction makes durable what was written before', async (t) => {
  let undeleted = 0;
  for (let round = 0; round < 50; round++) {
    const kv = openPowerCutKv({ random });
    await kv.write([...batch(0), ...batch(1)], { sync: false });
    await kv.compact(numberKey(0), numberKey(9));
    await kv.write([{ type: 'del', key: numberKey(0) }], { sync: false });
    const cut = kv.powerCut();
    if ((await numbersIn(cut)).has(0)) undeleted++;
    await cut.write([{ type: 'del', key: numberKey(0) }], { sync: true });
    t.same([...(await numbersIn(cut.powerCut()))], [1, 2, 3]);
  }
  t.ok(undeleted > 0 && undeleted < 50);
});
