import { changesBetween } from '../../../src/backup/change-count.js';
import t from 'tap';
import { MetaPrefix, ObjectType } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { Listing } from '../../../src/store/catalog.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { replicaKey } from '../../../src/store/keys.js';
import { damagedListings } from '../../../src/store/listing.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { indexedDigests } from '../../../src/store/object-index.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import type { Store } from '../../../src/store/store.js';
import { Random, testSeed } from '../../kit/random.js';
import { damageValue, flipBit } from '../../kit/store-damage.js';
import { assertNoGarbage, QUIET } from '../../kit/store-model.js';
import {
  backUp,
  memoryDatabases,
  openTestStore,
  randomVolume,
  readBack,
  replicate,
  scribble,
  type Databases,
} from '../../kit/test-store.js';

/** The replica of machine `a`. */
function replicaOf(store: Store): Listing {
  const replica = store.catalog.replica('a');
  if (replica === undefined) throw new UmbraError('INTERNAL', 'there is no replica');
  return replica;
}

async function recordCount({ meta }: Databases): Promise<number> {
  let count = 0;
  for await (const _digest of indexedDigests(meta, ObjectType.record)) count += 1;
  return count;
}

/** The same store with all that can be derived derived anew. */
async function rebuilt({ objects }: Databases): Promise<Store> {
  const meta = openMemoryKv();
  await rebuildMeta(objects, meta, QUIET);
  return await openTestStore({ objects, meta });
}

t.test('a replica is found by name, is the newest, and is no version', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const random = new Random(testSeed(t));
  const content = randomVolume(random, 60);
  const first = await replicate(store, 'a', content, 5_000);
  t.throws(() => store.catalog.find('a', 'latest'), { code: 'NOT_FOUND', hint: /--from-replica/ });
  t.same(store.catalog.machines(), []);
  t.equal(store.catalog.find('a', 'replica').name, first.name);
  t.equal(store.catalog.find('a', first.name).isReplica, true);
  const copy = await backUp(store, 'a', content);
  t.equal(store.catalog.find('a', 'replica').name, copy.name, 'a shadow copy is up to date, too');
  t.equal(store.catalog.replica('a'), undefined);
  scribble(random, content, 5);
  const second = await replicate(store, 'a', content);
  t.equal(store.upToDate('a')?.name, second.name);
  t.equal(store.newest('a')?.name, copy.name);
  t.same(
    store.catalog.shadowCopies('a').map(({ name }) => name),
    [copy.name],
  );
  t.ok((await readBack(store, replicaOf(store))).equals(content));
  const reopened = await openTestStore(databases);
  t.same(replicaOf(reopened), replicaOf(store));
  t.same(await reopened.summaries(reopened.catalog.replicas()), await store.summaries(store.catalog.replicas()));
});

t.test('killed at any write, there is the old one or the new one, and whole', async (t) => {
  const random = new Random(testSeed(t));
  const killed = new UmbraError('STORE_FAILED', 'killed');
  const changes = [
    ['a replication', async (store: Store, content: Buffer) => void (await replicate(store, 'a', content))],
    ['a shadow copy', async (store: Store, content: Buffer) => void (await backUp(store, 'a', content))],
    ['keeping it', async (store: Store) => void (await store.keepReplica('a', changesBetween(store.reader)))],
    ['forgetting it', (store: Store) => store.forget(replicaOf(store))],
  ] as const;
  for (const [what, change] of changes) {
    let ends = new Set<string>();
    for (let after = 0, isDone = false; !isDone; after += 1) {
      const databases = memoryDatabases();
      const faults = new FaultQueue();
      const faulty = {
        objects: openFaultyKv(databases.objects, faults),
        meta: openFaultyKv(databases.meta, faults),
      };
      const store = await openTestStore(faulty);
      const base = randomVolume(random, 12);
      await backUp(store, 'a', base);
      const older = Buffer.from(base);
      scribble(random, older, 4);
      await replicate(store, 'a', older);
      const newer = Buffer.from(older);
      scribble(random, newer, 4);
      faults.push({ on: 'write', after, times: Infinity, error: killed });
      isDone = await change(store, newer).then(
        () => true,
        () => false,
      );
      const reopened = await openTestStore(databases);
      await reopened.collect(QUIET);
      await assertNoGarbage(t, reopened, databases);
      const newest = reopened.catalog.find('a', 'replica');
      const is = await readBack(reopened, newest);
      const found = is.equals(newer) ? 'newer' : is.equals(older) ? 'older' : is.equals(base) ? 'base' : 'none of them';
      ends = ends.add(`${found}${newest.isReplica === true ? ', a replica' : ''}`);
      const again = await rebuilt(databases);
      t.same(again.catalog.replicas(), reopened.catalog.replicas(), 'rebuilding has the same');
      t.same([...again.catalog.all()], [...reopened.catalog.all()]);
    }
    const expected = {
      'a replication': ['older, a replica', 'newer, a replica'],
      'a shadow copy': ['older, a replica', 'newer'],
      'keeping it': ['older, a replica', 'older'],
      'forgetting it': ['older, a replica', 'base'],
    };
    t.same([...ends], expected[what], what);
  }
});

t.test('what a replication replaced does not come back, however the newest goes', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const content = randomVolume(new Random(testSeed(t)), 20);
  await backUp(store, 'a', content);
  for (let times = 0; times < 3; times += 1) await replicate(store, 'a', content, 1_000 * times);
  await store.forget(replicaOf(store));
  for (const again of [await openTestStore(databases), await rebuilt(databases)]) t.same(again.catalog.replicas(), []);
  await replicate(store, 'a', content);
  const copy = await backUp(store, 'a', content);
  await store.forget(store.catalog.find('a', copy.name));
  for (const again of [await openTestStore(databases), await rebuilt(databases)]) t.same(again.catalog.replicas(), []);
});

for (const [newest, replace] of [
  ['a replica', replicate],
  ['a shadow copy', backUp],
] as const) {
  t.test(`a replica that somebody reads does not come back when ${newest} that replaced it is gone`, async (t) => {
    const databases = memoryDatabases();
    const store = await openTestStore(databases);
    const random = new Random(testSeed(t));
    const content = randomVolume(random, 40);
    await replicate(store, 'a', content);
    const former = replicaOf(store);
    const giveBack = store.leases.take(former);
    const changed = Buffer.from(content);
    scribble(random, changed, 4);
    await replace(store, 'a', changed);
    await store.forget(store.catalog.find('a', 'replica'));
    for (let collection = 0; collection < 3; collection++) await store.collect(QUIET);
    t.same(await readBack(store, former), content, 'whoever reads it goes on');
    for (const opened of [await openTestStore(databases), await rebuilt(databases)]) {
      t.equal(opened.catalog.replica('a'), undefined);
      t.same(opened.catalog.all(), []);
    }
    giveBack();
    await store.collect(QUIET);
    await store.collect(QUIET);
    t.equal(await recordCount(databases), 0);
    await assertNoGarbage(t, store, databases);
  });
}

t.test('an entry that is lost or out of date is brought in line with the objects', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const random = new Random(testSeed(t));
  const content = randomVolume(random, 20);
  await replicate(store, 'a', content);
  const key = replicaKey('a');
  const old = (await databases.meta.get(key)) ?? Buffer.of();
  await databases.meta.write([{ type: 'del', key }], { sync: true });
  t.same((await openTestStore(databases)).catalog.replicas(), store.catalog.replicas(), 'lost');
  await backUp(store, 'a', content);
  await databases.meta.write([{ type: 'put', key, value: old }], { sync: true });
  t.same((await openTestStore(databases)).catalog.replicas(), [], 'older than a shadow copy');
  t.equal(await databases.meta.get(key), undefined);
  await replicate(store, 'a', content);
  await damageValue(databases.meta, key, (value) => flipBit(random, value));
  t.same(await damagedListings(databases.meta), ['a@replica']);
  t.same((await rebuilt(databases)).catalog.replicas(), store.catalog.replicas());
});

t.test('a shadow copy of the replica: its time and consistency, once, as protected as any', async (t) => {
  const store = await openTestStore();
  const content = randomVolume(new Random(testSeed(t)), 30);
  await t.rejects(store.keepReplica('a', changesBetween(store.reader)), { code: 'NOT_FOUND' });
  await store.updateSettings((settings) => ({
    ...settings,
    policies: 'default: d\npolicies:\n  d:\n    minimumAge: 7d\n',
  }));
  const { name } = await replicate(store, 'a', content, Date.parse('2027-03-01T10:15:00Z'));
  const [first, second] = await Promise.all([
    store.keepReplica('a', changesBetween(store.reader)),
    store.keepReplica('a', changesBetween(store.reader)),
  ]);
  t.match(first, {
    isNew: true,
    record: { name, consistency: 'crash', tracker: 'filter', pauseMs: 3, checkpoint: 'c' },
  });
  t.match(first.record.notes, ['a note', /made of the replica/]);
  t.match(second, { isNew: false, record: { name } });
  t.equal(first.record.isReplica, undefined);
  t.equal(name, '2027-03-01T10-15-00Z');
  t.same(store.catalog.replicas(), []);
  const listing = store.catalog.find('a', 'latest');
  t.ok((await readBack(store, listing)).equals(content));
  await t.rejects(store.forget(listing), { code: 'SHADOW_COPY_PROTECTED' });
  const again = await replicate(store, 'a', content, Date.parse('2027-03-01T10:15:00Z'));
  t.equal(again.name, `${name}-2`, 'a name is one thing');
  const giveBack = store.leases.take(replicaOf(store), 'a restore');
  await t.rejects(store.forget(replicaOf(store)), { code: 'SHADOW_COPY_OPEN' });
  giveBack();
  const former = replicaOf(store);
  t.equal(await store.forget(former), true);
  t.equal(await store.forget(former), false);
  t.same(store.catalog.replicas(), [], 'no minimum age keeps a replica');
});

t.test('a day of replications a minute leaves nothing that collection does not take', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const random = new Random(testSeed(t));
  const content = randomVolume(random, 6);
  const copy = await backUp(store, 'a', content);
  const before = Buffer.from(content);
  const held = { content: before, listing: store.catalog.find('a', copy.name), giveBack: (): void => undefined };
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    scribble(random, content, 1);
    await replicate(store, 'a', content, minute * 60_000);
    if (minute === 100) {
      held.listing = replicaOf(store);
      held.content = Buffer.from(content);
      held.giveBack = store.leases.take(held.listing);
    }
    if (minute % 480 === 200) await store.collect(QUIET);
  }
  t.ok((await recordCount(databases)) < 10, 'opening the store reads few records');
  t.ok((await readBack(store, held.listing)).equals(held.content), 'what is being read stays');
  held.giveBack();
  await replicate(store, 'a', content);
  await store.collect(QUIET);
  await assertNoGarbage(t, store, databases);
  t.ok((await readBack(store, replicaOf(store))).equals(content));
  t.ok((await readBack(store, store.catalog.find('a', 'latest'))).equals(before));
  let entries = 0;
  for await (const key of databases.meta.keys()) entries += key[0] === MetaPrefix.replica ? 1 : 0;
  t.equal(entries, 1);
  t.same((await openTestStore(databases)).catalog.replicas(), store.catalog.replicas());
});
