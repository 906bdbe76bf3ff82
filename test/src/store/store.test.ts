import t, { type Test } from 'tap';

import type { UmbraError } from '../../../src/common/errors.js';
import { storeKey } from '../../../src/store/keys.js';
import { openPowerCutKv, type PowerCutKv } from '../../kit/power-cut-kv.js';
import { Random, testSeed } from '../../kit/random.js';
import {
  backUp,
  makeEmpty,
  memoryDatabases,
  openTestStore,
  randomVolume,
  readBack,
  scribble,
} from '../../kit/test-store.js';
import type { Store } from '../../../src/store/store.js';

const never = new AbortController().signal;
const quiet = { signal: never, progress: () => undefined };

t.test('every version reads back what was put in', async (t) => {
  const random = new Random(testSeed(t));
  const store = await openTestStore();
  const content = randomVolume(random, 200);
  const models = new Map<string, Buffer>();
  for (let version = 0; version < 8; version++) {
    const { name } = await backUp(store, 'web', content);
    models.set(name, Buffer.from(content));
    scribble(random, content, 20);
  }
  t.equal(store.catalog.shadowCopies('web').length, 8);
  for (const listing of store.catalog.shadowCopies('web'))
    t.ok((await readBack(store, listing)).equals(models.get(listing.name) ?? Buffer.alloc(0)));
});

t.test('shadow copies of one second get names of their own, also when made at once', async (t) => {
  const store = await openTestStore();
  const random = new Random(1);
  const content = randomVolume(random, 10);
  const records = await Promise.all(Array.from({ length: 5 }, () => backUp(store, 'web', content)));
  t.equal(new Set(records.map(({ name }) => name)).size, 5);
  t.same(
    store.catalog
      .shadowCopies('web')
      .map(({ name }) => name)
      .sort(),
    records.map(({ name }) => name).sort(),
  );
});

t.test('the name of a forgotten shadow copy is not given to another one of the same second', async (t) => {
  const store = await openTestStore();
  const first = await makeEmpty(store, 'web', 1000);
  await store.forget(store.catalog.find('web', first));
  const second = await makeEmpty(store, 'web', 1999);
  t.not(second, first);
  t.same(
    store.catalog.shadowCopies('web').map(({ name }) => name),
    [second],
  );
});

t.test('a store opened again has the same catalog and goes on with new sequence numbers', async (t) => {
  const databases = memoryDatabases();
  const random = new Random(testSeed(t));
  const first = await openTestStore(databases);
  const content = randomVolume(random, 60);
  await backUp(first, 'web', content);
  const { nextSequence } = first.objectStore.log;
  const second = await openTestStore(databases);
  t.ok(second.objectStore.log.nextSequence >= nextSequence);
  const [listing] = second.catalog.shadowCopies('web');
  t.ok(listing !== undefined && (await readBack(second, listing)).equals(content));
});

t.test('an index of another store is refused', async (t) => {
  const a = memoryDatabases();
  const b = memoryDatabases();
  await openTestStore(a);
  const { Store: StoreClass } = await import('../../../src/store/store.js');
  const { TEST_FORMAT } = await import('../../kit/test-store.js');
  const { systemClock } = await import('../../../src/common/clock.js');
  const foreign = StoreClass.open({
    objects: b.objects,
    meta: a.meta,
    format: { ...TEST_FORMAT, id: 'other' },
    clock: systemClock,
  });
  await t.rejects(foreign, { code: 'STORE_FOREIGN' });
});

t.test("an index whose mark of its store is damaged is not taken for another store's", async (t) => {
  const databases = memoryDatabases();
  await openTestStore(databases);
  const value = (await databases.meta.get(storeKey)) ?? Buffer.alloc(0);
  const damaged = Buffer.from(value);
  damaged.writeUInt8(damaged.readUInt8(5) ^ 1, 5);
  await databases.meta.write([{ type: 'put', key: storeKey, value: damaged }], { sync: true });
  await t.rejects(openTestStore(databases), { code: 'STORE_DAMAGED' });
});

t.test('a shadow copy that is held open is not forgotten, and can be afterwards', async (t) => {
  const store = await openTestStore();
  await backUp(store, 'web', randomVolume(new Random(2), 10));
  const [listing] = store.catalog.shadowCopies('web');
  const giveBack = listing === undefined ? () => undefined : store.leases.take(listing, 'vda.raw is open');
  if (listing === undefined) throw new RangeError('nothing is listed');
  await t.rejects(store.forget(listing), { code: 'SHADOW_COPY_OPEN' } satisfies Partial<UmbraError>);
  giveBack();
  await store.forget(listing);
  t.same(store.catalog.machines(), []);
});

t.test('power cuts at any moment leave every acknowledged shadow copy whole', async (t) => {
  const random = new Random(testSeed(t));
  let acknowledged = 0;
  for (let round = 0; round < 20; round++) {
    let databases = {
      objects: openPowerCutKv({ random }),
      meta: openPowerCutKv({ random, reordering: random.chance(0.5) }),
    };
    const models = new Map<string, Buffer>();
    const forgotten = new Set<string>();
    for (let life = 0; life < 3; life++) {
      const store = await openTestStore(databases, random.chance(0.5) ? random.below(40_000) : undefined);
      const checked = await checkAll(t, store, models, forgotten);
      if (!checked) return;
      let powered = true;
      let failure: unknown;
      const working = work(store, random, models, forgotten).catch((error: unknown) => {
        if (powered) failure = error;
      });
      await moments(random.below(1500));
      powered = false;
      databases = cut(databases);
      await working;
      t.equal(failure, undefined, 'nothing fails while there is power');
      acknowledged += models.size;
    }
  }
  t.comment(`${acknowledged} acknowledged`);
  t.ok(acknowledged > 50, 'the test did something');
});

/** Back up, forget and collect, several at a time, until the power is cut. */
async function work(store: Store, random: Random, models: Map<string, Buffer>, forgotten: Set<string>): Promise<void> {
  const backups = async (machine: string): Promise<void> => {
    const content = randomVolume(random, 40);
    for (let version = 0; version < 4; version++) {
      scribble(random, content, 10);
      const copy = Buffer.from(content);
      const { name } = await backUp(store, machine, copy);
      models.set(`${machine}@${name}`, copy);
    }
  };
  const cleaning = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) {
      const listings = [...store.catalog.all()];
      const listing = listings[random.below(listings.length)];
      if (listing !== undefined) {
        forgotten.add(`${listing.machine}@${listing.name}`);
        await store.forget(listing);
      }
      await store.collect(quiet);
    }
  };
  await Promise.all([backups('web'), backups('db'), cleaning()]);
}

async function checkAll(t: Test, store: Store, models: Map<string, Buffer>, forgotten: Set<string>): Promise<boolean> {
  const listed = new Map([...store.catalog.all()].map((listing) => [`${listing.machine}@${listing.name}`, listing]));
  for (const [key, model] of models) {
    const listing = listed.get(key);
    if (listing === undefined && !forgotten.has(key)) return t.fail(`${key} was acknowledged and is gone`);
    if (listing !== undefined && !(await readBack(store, listing)).equals(model))
      return t.fail(`${key} is not what it was`);
  }
  for (const listing of listed.values()) await readBack(store, listing);
  return t.pass();
}

function cut(databases: { objects: PowerCutKv; meta: PowerCutKv }): { objects: PowerCutKv; meta: PowerCutKv } {
  return { objects: databases.objects.powerCut(), meta: databases.meta.powerCut() };
}

/** Let so many turns of the microtask queue and the event loop pass. */
async function moments(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    if (turn % 16 === 0) await new Promise(setImmediate);
    else await Promise.resolve();
  }
}
