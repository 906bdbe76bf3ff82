import t from 'tap';

import { ObjectType } from '../../../src/codec/formats.js';
import { objectKey } from '../../../src/store/keys.js';
import type { KvStore } from '../../../src/store/kv.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import { storeStats } from '../../../src/store/stats.js';
import { damageObject, damageValue, objectsOf } from '../../kit/store-damage.js';
import { sealedDatabases } from '../../kit/sealed.js';
import { Random, testSeed } from '../../kit/random.js';
import { assertContents, assertNoGarbage, keyOf, listingOf, QUIET } from '../../kit/store-model.js';
import {
  backUp,
  memoryDatabases,
  openTestStore,
  randomVolume,
  scribble,
  type Databases,
  makeTwice,
} from '../../kit/test-store.js';

/** Databases with several machines, and what their shadow copies must hold. */
async function prepare(
  random: Random,
  databases: Databases = memoryDatabases(),
): Promise<{ databases: Databases; models: Map<string, Buffer> }> {
  const models = new Map<string, Buffer>();
  const store = await openTestStore(databases);
  const content = randomVolume(random, 1300);
  for (const machine of ['b', 'a', 'b', 'a']) {
    const copy = Buffer.from(content);
    models.set(keyOf(await backUp(store, machine, copy)), copy);
    scribble(random, content, 10);
  }
  return { databases, models };
}

for (const isSealed of [false, true]) {
  t.test(`gives the same catalog and statistics, and readable content${isSealed ? ', encrypted' : ''}`, async (t) => {
    const { databases, models } = await prepare(
      new Random(testSeed(t)),
      isSealed ? sealedDatabases() : memoryDatabases(),
    );
    const withKeys = (meta: KvStore): Databases =>
      isSealed ? sealedDatabases({ objects: databases.objects, meta }) : { objects: databases.objects, meta };
    const before = await openTestStore(databases);
    await before.forget(listingOf(before, 'b'));
    const listings = [...before.catalog.all()];
    const empty = withKeys(openMemoryKv());
    const { seal } = before.objectStore;
    t.match(await rebuildMeta(databases.objects, empty.meta, { ...QUIET, seal }), {
      damagedObjects: 0,
      shadowCopies: 3,
      stayedDeleted: 1,
    });
    const after = await openTestStore(empty);
    t.same([...after.catalog.all()], listings);
    t.same(await after.summaries(listings), await before.summaries(listings));
    const { diskBytes: _, ...stats } = await storeStats(before);
    t.match(await storeStats(after), stats);
    await assertContents(
      t,
      after,
      new Map(listings.map((listing) => [keyOf(listing), models.get(keyOf(listing)) ?? Buffer.of()])),
    );
  });
}

t.test(
  'damaged chunks, nodes and keys: the rest is there, the next backup heals, collection removes them',
  async (t) => {
    const random = new Random(testSeed(t));
    for (let round = 0; round < 10; round++) {
      const { databases, models } = await prepare(random);
      const type = [ObjectType.chunk, ObjectType.leaf, ObjectType.inner][round % 3] ?? ObjectType.chunk;
      const candidates = await objectsOf(databases.objects, type);
      const target = candidates[random.below(candidates.length)];
      if (target === undefined) throw new RangeError('nothing to damage');
      await damageValue(databases.objects, target.key, (frame) =>
        frame.fill(random.below(256), random.below(frame.length)),
      );
      await databases.objects.write([{ type: 'put', key: Buffer.alloc(8, 0xff), value: Buffer.from('?') }], {
        sync: true,
      });
      const meta = openMemoryKv();
      const { damagedObjects, shadowCopies } = await rebuildMeta(databases.objects, meta, QUIET);
      t.ok(damagedObjects >= 1);
      t.equal(shadowCopies, 4);
      const store = await openTestStore({ objects: databases.objects, meta });
      if (damagedObjects === 2) t.ok(store.objectStore.hasDamage, 'backups read everything again');
      for (const content of [...models.values()]) models.set(keyOf(await backUp(store, 'c', content)), content);
      await assertContents(t, store, models);
      await store.collect(QUIET);
      t.notOk(store.objectStore.hasDamage);
      await databases.objects.write([{ type: 'del', key: Buffer.alloc(8, 0xff) }], { sync: true });
      await assertNoGarbage(t, store, databases);
      if (!t.passing()) {
        t.comment(`round ${round}`);
        return;
      }
    }
  },
);

t.test('a damaged record costs its shadow copy only', async (t) => {
  const random = new Random(testSeed(t));
  const { databases, models } = await prepare(random);
  const [target] = await objectsOf(databases.objects, ObjectType.record);
  if (target === undefined) throw new RangeError('no record');
  await damageObject(random, databases, { ...target });
  const meta = openMemoryKv();
  t.match(await rebuildMeta(databases.objects, meta, QUIET), { shadowCopies: 3 });
  const store = await openTestStore({ objects: databases.objects, meta });
  const [first = ''] = models.keys();
  models.delete(first);
  await assertContents(t, store, models);
});

t.test('a record that came again after its tombstone is alive; the newest of two copies counts', async (t) => {
  const databases = memoryDatabases();
  const store = await makeTwice(databases, 'a');
  const meta = openMemoryKv();
  t.match(await rebuildMeta(databases.objects, meta, QUIET), { shadowCopies: 1, stayedDeleted: 0 });
  const rebuilt = await openTestStore({ objects: databases.objects, meta });
  t.same([...rebuilt.catalog.all()], [...store.catalog.all()]);
});

t.test('stops when it is told to', async (t) => {
  const { databases } = await prepare(new Random(1));
  const signal = AbortSignal.abort(new RangeError('stopped'));
  await t.rejects(rebuildMeta(databases.objects, openMemoryKv(), { ...QUIET, signal }), { message: 'stopped' });
  t.equal(await databases.objects.get(objectKey(2 ** 40)), undefined);
});
