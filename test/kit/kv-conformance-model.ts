import type { Test } from 'tap';
import type { KvOperation, KvRange, KvStore } from '../../src/store/kv.js';
import { bytes, textOf } from './bytes.js';
import { Random, testSeed } from './random.js';

/** Random operations, compared with a plain Map; see kv-conformance.ts. */
export const modelBehaviour: Readonly<Record<string, (t: Test, kv: KvStore) => Promise<void>>> = {
  async 'random operations equal a model'(t, kv) {
    const random = new Random(testSeed(t));
    const model = new Map<string, string>();
    for (let round = 0; round < 150; round++) {
      const operations = Array.from({ length: random.below(12) }, () => randomOperation(random));
      await kv.write(operations, { sync: random.chance(0.1) });
      for (const operation of operations) applyTo(model, operation);
      if (random.chance(0.05)) await kv.compact(randomKey(random), randomKey(random));
      if (!(await sameKeys(kv, model, random)) || !(await sameRange(kv, model, random))) {
        t.fail(`the store differs from the model in round ${round}`);
        return;
      }
    }
    t.pass('all rounds equal');
  },
};

// Few bytes and few lengths, so that keys collide and are prefixes of each other.
function randomKey(random: Random): Buffer {
  return Buffer.from(Array.from({ length: random.between(1, 4) }, () => [0, 1, 97, 128, 255][random.below(5)] ?? 0));
}

function randomOperation(random: Random): KvOperation {
  const key = randomKey(random);
  if (random.chance(0.3)) return { type: 'del', key };
  return { type: 'put', key, value: random.bytes(random.below(40)) };
}

function applyTo(model: Map<string, string>, operation: KvOperation): void {
  const key = textOf(operation.key) ?? '';
  if (operation.type === 'put') model.set(key, textOf(operation.value) ?? '');
  else model.delete(key);
}

async function sameKeys(kv: KvStore, model: ReadonlyMap<string, string>, random: Random): Promise<boolean> {
  const keys = Array.from({ length: 5 }, () => randomKey(random));
  const values = await kv.getMany(keys);
  return keys.every((key, index) => textOf(values[index]) === model.get(textOf(key) ?? ''));
}

async function sameRange(kv: KvStore, model: ReadonlyMap<string, string>, random: Random): Promise<boolean> {
  const range: KvRange = {
    ...(random.chance(0.5) && { [random.chance(0.5) ? 'gte' : 'gt']: randomKey(random) }),
    ...(random.chance(0.5) && { [random.chance(0.5) ? 'lte' : 'lt']: randomKey(random) }),
    ...(random.chance(0.3) && { limit: random.below(20) }),
    ...(random.chance(0.5) && { reverse: true }),
  };
  const found: [string, string][] = [];
  for await (const [key, value] of kv.entries(range)) found.push([textOf(key) ?? '', textOf(value) ?? '']);
  return JSON.stringify(found) === JSON.stringify(inModel(model, range));
}

/** Written without the product's own helpers, on purpose. */
function inModel(model: ReadonlyMap<string, string>, range: KvRange): [string, string][] {
  const { gte, gt, lte, lt, limit, reverse } = range;
  const found = [...model].filter(([key]) => {
    if (gte && bytes(key).compare(gte) < 0) return false;
    if (gt && bytes(key).compare(gt) <= 0) return false;
    if (lte && bytes(key).compare(lte) > 0) return false;
    return !(lt && bytes(key).compare(lt) >= 0);
  });
  found.sort(([a], [b]) => bytes(a).compare(bytes(b)));
  if (reverse === true) found.reverse();
  return found.slice(0, limit);
}
