import t from 'tap';

import { ObjectType } from '../../../src/codec/formats.js';
import type { Listing } from '../../../src/store/catalog.js';
import { digestKey, objectKey } from '../../../src/store/keys.js';
import { openLevelKv } from '../../../src/store/level-kv.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { findSequences } from '../../../src/store/object-index.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import type { Store } from '../../../src/store/store.js';
import { decodeLeaf } from '../../../src/tree/node.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { Random, testSeed } from '../../kit/random.js';
import {
  assertContents,
  assertNoGarbage,
  keyOf,
  listingOf,
  QUIET,
  storedObjects,
  tombstoned,
} from '../../kit/store-model.js';
import { backUp, ingest, memoryDatabases, openTestStore, randomVolume, readBack } from '../../kit/test-store.js';
import { sealedDatabases } from '../../kit/sealed.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** Forget the latest shadow copy of a machine. */
async function forgetLatest(store: Store, machine: string): Promise<Listing> {
  const listing = listingOf(store, machine);
  await store.forget(listing);
  return listing;
}

for (const [what, databases] of [
  ['', memoryDatabases()],
  [', encrypted', sealedDatabases()],
] as const) {
  t.test(`deletes what is not reachable, and nothing else${what}`, async (t) => {
    const random = new Random(testSeed(t));
    const store = await openTestStore(databases);
    const models = new Map<string, Buffer>();
    for (const machine of ['a', 'b', 'a', 'c']) {
      const content = randomVolume(random, 1200);
      models.set(keyOf(await backUp(store, machine, content)), content);
    }
    models.delete(keyOf(await forgetLatest(store, 'a')));
    const abandoned = store.openSession();
    await ingest(abandoned, random.bytes(20_000), store.objectStore.seal);
    await abandoned.barrier();
    abandoned.end();
    const before = await storedObjects(databases);
    const result = await store.collect(QUIET);
    const after = await storedObjects(databases);
    t.equal(result.deletedObjects, count(before) - count(after));
    t.equal(result.objects, count(before));
    t.ok(result.deletedBytes >= 20_000 && result.freedBytes >= result.deletedBytes);
    await assertNoGarbage(t, store, databases);
    await assertContents(t, store, models);
    t.match(await store.collect(QUIET), { deletedObjects: 1 }, 'the tombstone');
    t.match(await store.collect(QUIET), { deletedObjects: 0, deletedBytes: 0, freedBytes: 0 });
  });
}

t.test('a tombstone lives as long as the record that it says is deleted', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', randomVolume(new Random(1), 20));
  const giveBack = store.leases.take(listingOf(store, 'a'));
  await forgetLatest(store, 'a');
  await store.collect(QUIET);
  t.equal((await tombstoned(databases, store)).length, 1, 'the record is leased');
  t.match(await rebuildMeta(databases.objects, openMemoryKv(), QUIET), { shadowCopies: 0, stayedDeleted: 1 });
  giveBack();
  await store.collect(QUIET);
  t.match(await rebuildMeta(databases.objects, openMemoryKv(), QUIET), { shadowCopies: 0, stayedDeleted: 0 });
  await store.collect(QUIET);
  t.same(await tombstoned(databases, store), []);
  await assertNoGarbage(t, store, databases);
});

t.test('what is leased stays although it was forgotten', async (t) => {
  const store = await openTestStore();
  const content = randomVolume(new Random(3), 300);
  await backUp(store, 'a', content);
  const listing = listingOf(store, 'a');
  const giveBack = store.leases.take(listing);
  await store.forget(listing);
  await store.collect(QUIET);
  t.ok((await readBack(store, listing)).equals(content));
  const [digest = new Uint8Array()] = await chunksOf(store, listing);
  giveBack();
  t.ok((await store.collect(QUIET)).deletedObjects > 0);
  await t.rejects(store.reader.read(ObjectType.chunk, digest), { code: 'STORE_DAMAGED' });
});

t.test('what a session pinned that ends while shadow copies are marked hides nothing below it', async (t) => {
  for (const type of [ObjectType.record, ObjectType.inner, ObjectType.leaf]) {
    const databases = memoryDatabases();
    const store = await openTestStore(databases);
    const content = randomVolume(new Random(7), 2100);
    await backUp(store, 'a', content);
    const name = [...(await storedObjects(databases)).keys()].find((each) => each.startsWith(`${type}`)) ?? '';
    const session = store.openSession();
    t.same(await session.find(type, [Buffer.from(name.slice(1), 'hex')]), [true]);
    const progress = (): void => {
      session.end();
    };
    t.match(await store.collect({ ...QUIET, progress }), { deletedObjects: 0 });
    t.ok((await readBack(store, listingOf(store, 'a'))).equals(content));
  }
});

function count(stored: ReadonlyMap<string, readonly number[]>): number {
  return [...stored.values()].reduce((sum, { length }) => sum + length, 0);
}

async function chunksOf(store: Store, listing: Listing): Promise<Uint8Array[]> {
  const digests: Uint8Array[] = [];
  for (const volume of (await store.record(listing)).volumes) {
    for await (const { leaf } of new TreeReader(store.reader, volume).leaves()) {
      digests.push(...decodeLeaf(await store.reader.read(ObjectType.leaf, leaf)).map(({ digest }) => digest));
    }
  }
  return digests;
}

t.test('a damaged node or record stops it before anything is deleted', async (t) => {
  const random = new Random(testSeed(t));
  for (const type of [ObjectType.leaf, ObjectType.inner, ObjectType.record]) {
    const databases = memoryDatabases();
    await backUp(await openTestStore(databases), 'a', randomVolume(random, 2100));
    const store = await openTestStore(databases);
    await backUp(store, 'b', random.bytes(8192));
    await forgetLatest(store, 'b');
    const stored = await storedObjects(databases);
    const [, sequences] = [...stored].find(([name]) => name.startsWith(`${type}`)) ?? [];
    const key = objectKey(sequences?.[0] ?? -1);
    const frame = Buffer.from((await databases.objects.get(key)) ?? []);
    frame[60] = (frame[60] ?? 0) ^ 1;
    await databases.objects.write([{ type: 'put', key, value: frame }], { sync: true });
    const fresh = await openTestStore(databases);
    let before = 0;
    for await (const each of databases.objects.keys()) before += each.length;
    await t.rejects(fresh.collect(QUIET), { code: 'STORE_DAMAGED', message: /nothing was collected, since a@/ });
    let after = 0;
    for await (const each of databases.objects.keys()) after += each.length;
    t.equal(after, before);
    t.ok(fresh.objectStore.hasDamage, 'the next backup heals it');
  }
});

t.test('a node without an index entry stops it too, and is healed by the next backup', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const content = randomVolume(new Random(5), 1500);
  await backUp(store, 'a', content);
  const leaf = [...(await storedObjects(databases)).keys()].find((name) => name.startsWith(`${ObjectType.leaf}`)) ?? '';
  await databases.meta.write([{ type: 'del', key: digestKey(ObjectType.leaf, Buffer.from(leaf.slice(1), 'hex')) }], {
    sync: true,
  });
  await t.rejects(store.collect(QUIET), { code: 'STORE_DAMAGED' });
  t.ok(store.objectStore.hasDamage);
  await backUp(store, 'a', content);
  t.notOk(store.objectStore.hasDamage);
  await store.collect(QUIET);
  await assertNoGarbage(t, store, databases);
});

t.test('a chunk whose index entry is damaged is not deleted: rebuilding brings it back', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const content = randomVolume(new Random(6), 200);
  await backUp(store, 'a', content);
  const [digest = new Uint8Array()] = await chunksOf(store, listingOf(store, 'a'));
  const [sequence = -1] = await findSequences(databases.meta, ObjectType.chunk, [digest]);
  const key = digestKey(ObjectType.chunk, digest);
  await databases.meta.write([{ type: 'put', key, value: Buffer.from('damaged') }], { sync: true });
  await store.collect(QUIET);
  t.ok(await databases.objects.get(objectKey(sequence)), 'the object is still there');
  t.ok(store.objectStore.hasDamage, 'collection found it');
  const meta = openMemoryKv();
  await rebuildMeta(databases.objects, meta, QUIET);
  const rebuilt = await openTestStore({ objects: databases.objects, meta });
  t.ok((await readBack(rebuilt, listingOf(rebuilt, 'a'))).equals(content));
});

t.test('what nothing refers to leaves the quarantine', async (t) => {
  const store = await openTestStore();
  await backUp(store, 'a', randomVolume(new Random(7), 50));
  const digest = new Random(8).bytes(32);
  await store.reader.reportDamage(ObjectType.chunk, digest, 'test');
  t.ok(store.objectStore.hasDamage);
  await store.collect(QUIET);
  t.notOk(store.objectStore.hasDamage);
});

t.test('stops when it is told to; what is left goes the next time', async (t) => {
  const random = new Random(testSeed(t));
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const content = randomVolume(random, 1100);
  const { name } = await backUp(store, 'a', content);
  await backUp(store, 'a', randomVolume(random, 1100));
  await store.forget(listingOf(store, 'a'));
  for (const stopAt of ['marking', 'deleting', 'compacting']) {
    const abort = new AbortController();
    const progress = ({ what }: { readonly what: string }): void => {
      if (what.startsWith(stopAt)) abort.abort(new RangeError('stopped'));
    };
    await t.rejects(store.collect({ signal: abort.signal, progress }), { message: 'stopped' });
    await assertContents(t, store, new Map([[keyOf({ machine: 'a', name }), content]]));
    await backUp(store, 'b', random.bytes(9000));
    await forgetLatest(store, 'b');
  }
  await store.collect(QUIET);
  await assertNoGarbage(t, store, databases);
});

t.test('gives disk space back', async (t) => {
  const random = new Random(testSeed(t));
  const directory = temporaryDirectory(t);
  const options = { createIfMissing: true, errorIfExists: true } as const;
  const objects = await openLevelKv(`${directory}/objects`, { ...options, profile: 'bulk' });
  const meta = await openLevelKv(`${directory}/meta`, { ...options, profile: 'small' });
  const store = await openTestStore({ objects, meta });
  t.teardown(() => store.close());
  await backUp(store, 'a', random.bytes(2_000_000));
  await backUp(store, 'b', random.bytes(20_000_000));
  await backUp(store, 'c', random.bytes(2_000_000));
  await forgetLatest(store, 'b');
  const { deletedBytes, freedBytes } = await store.collect(QUIET);
  t.ok(deletedBytes >= 20_000_000 && deletedBytes < 20_100_000, `${deletedBytes} bytes deleted`);
  t.ok(freedBytes > 0.9 * deletedBytes, `${freedBytes} bytes freed`);
});
