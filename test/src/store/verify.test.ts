import t, { type Test } from 'tap';

import { BLOCK_BYTES, MetaPrefix, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { toHex } from '../../../src/codec/digest.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { DamagedRange, VerifyResult } from '../../../src/protocol/api.js';
import type { Listing } from '../../../src/store/catalog.js';
import { digestKey, prefixRange, sequenceKey } from '../../../src/store/keys.js';
import { findSequences } from '../../../src/store/object-index.js';
import type { Store } from '../../../src/store/store.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { Verification } from '../../../src/store/verify.js';
import { decodeInner, decodeLeaf, regionCount, regionsBelow, treeHeight } from '../../../src/tree/node.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { damageObject, damageValue, objectsOf, type StoredObject } from '../../kit/store-damage.js';
import { Random, testSeed } from '../../kit/random.js';
import { assertContents, keyOf, listingOf, QUIET } from '../../kit/store-model.js';
import {
  backUp,
  memoryDatabases,
  openTestStore,
  randomVolume,
  scribble,
  TEST_FORMAT,
  type Databases,
} from '../../kit/test-store.js';

const pool = new WorkerPool(TEST_FORMAT, 1);
t.teardown(() => pool.close());

type Result = Omit<VerifyResult, 'seconds'>;

function verify(store: Store, listings = [...store.catalog.all()], everything = true): Promise<Result> {
  return new Verification({ store, pool, listings, everything, ...QUIET }).run();
}

function assertClean(t: Test, result: Result): void {
  t.match(result, { damagedObjects: [], damaged: [] });
  t.equal(result.advice, undefined);
}

/** Where shadow copies refer to an object, read from a store that is whole. */
async function placesOf(store: Store, target: StoredObject): Promise<DamagedRange[]> {
  const places: DamagedRange[] = [];
  const object = toHex(target.digest);
  for (const listing of store.catalog.all()) {
    const place = { machine: listing.machine, shadowCopy: listing.name, volume: 'vda', object };
    for (const volume of (await store.record(listing)).volumes) {
      const add = (offset: number, length: number, kind: DamagedRange['kind']): void => {
        places.push({ ...place, offset, length: Math.min(length, volume.sizeBytes - offset), kind });
      };
      const walk = async (digest: Uint8Array, level: number, first: number): Promise<void> => {
        const type = level === 0 ? ObjectType.leaf : ObjectType.inner;
        if (type === target.type && toHex(digest) === object)
          add(first * REGION_BYTES, regionsBelow(level) * REGION_BYTES, 'node');
        const node = await store.reader.read(type, digest);
        if (level > 0) {
          for (const [index, child] of decodeInner(node, level).entries()) {
            if (child !== undefined) await walk(child, level - 1, first + index * regionsBelow(level - 1));
          }
          return;
        }
        for (const chunk of decodeLeaf(node)) {
          if (target.type !== ObjectType.chunk || toHex(chunk.digest) !== object) continue;
          add(first * REGION_BYTES + chunk.firstBlock * BLOCK_BYTES, chunk.blocks * BLOCK_BYTES, 'chunk');
        }
      };
      await walk(volume.root, treeHeight(regionCount(volume.sizeBytes)), 0);
    }
  }
  return places;
}

/** Machines with several shadow copies that share most of their content. */
async function prepare(random: Random, databases: Databases): Promise<Map<string, Buffer>> {
  const store = await openTestStore(databases);
  const content = randomVolume(random, 2300);
  const models = new Map<string, Buffer>();
  for (const machine of ['a', 'a', 'b']) {
    const copy = Buffer.from(content);
    models.set(keyOf(await backUp(store, machine, copy)), copy);
    scribble(random, content, 5);
  }
  return models;
}

function byPlace(a: DamagedRange, b: DamagedRange): number {
  return (
    keyOf({ machine: a.machine, name: a.shadowCopy }).localeCompare(
      keyOf({ machine: b.machine, name: b.shadowCopy }),
    ) || a.offset - b.offset
  );
}

t.test('a store that is whole', async (t) => {
  const databases = memoryDatabases();
  await prepare(new Random(testSeed(t)), databases);
  const store = await openTestStore(databases);
  const result = await verify(store);
  assertClean(t, result);
  t.ok(result.checkedObjects > 100 && result.checkedBytes > 10_000);
});

for (const [kind, type] of [
  ['chunk', ObjectType.chunk],
  ['leaf', ObjectType.leaf],
  ['inner node', ObjectType.inner],
] as const) {
  t.test(`a damaged ${kind}: found, every range of every shadow copy named, healed by the next backup`, async (t) => {
    const random = new Random(testSeed(t));
    for (let round = 0; round < 4; round++) {
      const databases = memoryDatabases();
      const models = await prepare(random, databases);
      const candidates = await objectsOf(databases.objects, type);
      const target = candidates[random.below(candidates.length)];
      if (target === undefined) throw new RangeError('nothing to damage');
      const places = await placesOf(await openTestStore(databases), target);
      await damageObject(random, databases, target);
      const store = await openTestStore(databases);
      const result = await verify(store);
      t.same(
        result.damagedObjects.map(({ object }) => object),
        [toHex(target.digest)],
      );
      t.same([...result.damaged].sort(byPlace), places.sort(byPlace));
      t.match(result.advice, /umbra backup/);
      t.ok(store.objectStore.hasDamage);
      const session = store.openSession();
      t.same(await session.find(type, [target.digest]), [false], 'not used for deduplication');
      session.end();
      // Every content again, as machines would whose disks still hold it.
      for (const content of [...models.values()]) models.set(keyOf(await backUp(store, 'c', content)), content);
      assertClean(t, await verify(store));
      t.notOk(store.objectStore.hasDamage);
      await assertContents(t, store, models);
      await store.collect(QUIET);
      assertClean(t, await verify(await openTestStore(databases)));
      if (!t.passing()) {
        t.comment(`round ${round}`);
        return;
      }
    }
  });
}

t.test('a damaged record: its shadow copy is named', async (t) => {
  const random = new Random(testSeed(t));
  const databases = memoryDatabases();
  await prepare(random, databases);
  const [target] = await objectsOf(databases.objects, ObjectType.record);
  if (target === undefined) throw new RangeError('no record');
  await damageObject(random, databases, target);
  const store = await openTestStore(databases);
  const { damaged, damagedObjects, advice } = await verify(store);
  const name = store.catalog.shadowCopies('a')[0]?.name;
  t.match(damaged, [{ machine: 'a', shadowCopy: name, volume: '', object: toHex(target.digest) }]);
  t.match(damagedObjects, [{ kind: 'record', object: toHex(target.digest) }]);
  t.match(advice, /"umbra forget"/);
  const [listing] = store.catalog.shadowCopies('a');
  if (listing !== undefined) await store.forget(listing);
  await store.collect(QUIET);
  assertClean(t, await verify(store));
});

t.test('damage in the index: entries that are missing or wrong', async (t) => {
  const random = new Random(testSeed(t));
  for (const change of [() => undefined, (value: Buffer) => Buffer.from(value).fill(1, 0, 2)]) {
    const databases = memoryDatabases();
    const models = await prepare(random, databases);
    const [target] = await objectsOf(databases.objects, ObjectType.chunk);
    if (target === undefined) throw new RangeError('no chunk');
    const places = await placesOf(await openTestStore(databases), target);
    await damageValue(databases.meta, digestKey(target.type, target.digest), change);
    const store = await openTestStore(databases);
    const result = await verify(store);
    t.same([...result.damaged].sort(byPlace), places.sort(byPlace));
    t.ok(store.objectStore.hasDamage, 'the next backup reads everything');
    for (const content of models.values()) await backUp(store, 'c', content);
    assertClean(t, await verify(store));
  }
});

t.test('a damaged sequence entry is found, and what it stood for is checked all the same', async (t) => {
  const databases = memoryDatabases();
  const random = new Random(testSeed(t));
  await prepare(random, databases);
  const [target] = await objectsOf(databases.objects, ObjectType.chunk);
  if (target === undefined) throw new RangeError('no chunk');
  const [sequence = -1] = await findSequences(databases.meta, target.type, [target.digest]);
  await damageValue(databases.meta, sequenceKey(sequence), (value) => value.fill(7));
  const store = await openTestStore(databases);
  t.match(await verify(store), { damagedObjects: [{ kind: 'index' }], damaged: [], advice: /umbra rebuild/ });
  await damageObject(random, databases, target);
  const { damagedObjects, damaged } = await verify(await openTestStore(databases));
  t.equal(damagedObjects.length, 2);
  t.ok(damaged.length > 0);
});

t.test('a damaged catalog entry', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const { name } = await backUp(store, 'a', Buffer.alloc(5000, 1));
  for await (const key of databases.meta.keys(prefixRange(MetaPrefix.catalog)))
    await damageValue(databases.meta, key, (value) => value.fill(7, 2));
  t.match(await verify(store), { damagedObjects: [{ kind: 'listing', object: `a@${name}` }], advice: /umbra rebuild/ });
  await t.rejects(openTestStore(databases), { code: 'STORE_DAMAGED', hint: /umbra rebuild/ });
});

t.test('a block of the index that cannot be read is found, and everything else is checked all the same', async (t) => {
  const faults = new FaultQueue();
  const { objects, meta } = memoryDatabases();
  await prepare(new Random(testSeed(t)), { objects, meta });
  const store = await openTestStore({ objects, meta: openFaultyKv(meta, faults) });
  const [target] = await objectsOf(objects, ObjectType.chunk);
  if (target === undefined) throw new RangeError('no chunk');
  const places = await placesOf(store, target);
  await damageObject(new Random(1), { objects, meta }, target);
  const error = new UmbraError('STORE_DAMAGED', 'a bad block');
  faults.push({ on: 'entries', error }, { on: 'entries', error, partial: 5 });
  const result = await verify(store);
  faults.assertAllFired();
  t.match(result, {
    damagedObjects: [{ kind: 'index', reason: 'a bad block' }, { kind: 'chunk' }],
    advice: /umbra rebuild.*umbra backup/,
  });
  t.same([...result.damaged].sort(byPlace), places.sort(byPlace));
});

t.test('damage that no shadow copy refers to goes with the next collection', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', Buffer.alloc(5000, 1));
  await backUp(store, 'b', Buffer.alloc(5000, 2));
  await store.forget(listingOf(store, 'b'));
  for (const target of (await objectsOf(databases.objects, ObjectType.chunk)).slice(1))
    await damageObject(new Random(3), databases, target);
  t.match(await verify(store), { damaged: [], advice: /"umbra gc"/ });
  await store.collect(QUIET);
  assertClean(t, await verify(store));
});

t.test('only some shadow copies: their damage is found, also behind caches, and no other', async (t) => {
  const random = new Random(testSeed(t));
  for (const type of [ObjectType.chunk, ObjectType.leaf, ObjectType.inner, ObjectType.record]) {
    const databases = memoryDatabases();
    const store = await openTestStore(databases);
    const [a, b] = [random.bytes(2 * REGION_BYTES), random.bytes(2 * REGION_BYTES)];
    await backUp(store, 'a', a);
    const [first] = await objectsOf(databases.objects, type);
    await backUp(store, 'b', b);
    if (first === undefined) throw new RangeError('nothing to damage');
    assertClean(t, await verify(store, [listingOf(store, 'a')], false));
    await damageObject(random, databases, first);
    assertClean(t, await verify(store, [listingOf(store, 'b')], false));
    const { damaged, damagedObjects } = await verify(store, [listingOf(store, 'a')], false);
    t.equal(damagedObjects.length, 1);
    t.match(damaged, [{ machine: 'a', object: toHex(first.digest) }]);
  }
});

t.test('what many shadow copies share is walked once', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', new Random(1).bytes(3 * REGION_BYTES));
  const record = await store.record(listingOf(store, 'a'));
  for (let copy = 0; copy < 500; copy++) {
    const session = store.openSession();
    await store.commit(session, { ...record, machine: `m${copy}` });
    session.end();
  }
  const { checkedObjects } = await verify(store, [...store.catalog.all()], false);
  const objects = (
    await Promise.all(Object.values(ObjectType).map((type) => objectsOf(databases.objects, type)))
  ).flat().length;
  t.equal(checkedObjects, objects - 1, 'each object once, but for the settings');
});

t.test('what is deleted and collected before its turn comes is not damaged', async (t) => {
  const random = new Random(testSeed(t));
  const store = await openTestStore();
  for (const machine of ['a', 'a', 'b']) await backUp(store, machine, random.bytes(REGION_BYTES));
  const listings = [...store.catalog.all()];
  const [deleted] = listings;
  if (deleted === undefined) throw new Error('nothing is listed');
  await store.forget(deleted);
  t.ok((await store.collect(QUIET)).deletedObjects > 0);
  assertClean(t, await verify(store, listings, false));
  t.equal(store.objectStore.quarantined.size, 0, 'and nothing is called damaged from then on');
  await t.rejects(verify(store, [deleted], false), { code: 'NOT_FOUND' }, 'unless it is what was asked for');
});

t.test('stops when it is told to, and gives its leases back', async (t) => {
  const store = await openTestStore();
  await backUp(store, 'a', new Random(1).bytes(REGION_BYTES));
  const abort = new AbortController();
  const progress = (): void => {
    abort.abort(new RangeError('stopped'));
  };
  const listings: Listing[] = [listingOf(store, 'a')];
  const run = new Verification({ store, pool, listings, everything: true, signal: abort.signal, progress }).run();
  await t.rejects(run, { message: 'stopped' });
  t.same(store.leases.listings(), []);
});
