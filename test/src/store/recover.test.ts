import t from 'tap';

import { MetaPrefix, ObjectType } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { catalogKey, objectKey, sequenceKey } from '../../../src/store/keys.js';
import type { KvOperation } from '../../../src/store/kv.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { highestIndexed } from '../../../src/store/object-index.js';
import { Random, testSeed } from '../../kit/random.js';
import { assertContents, assertNoGarbage, keyOf, listingOf, QUIET } from '../../kit/store-model.js';
import { backUp, memoryDatabases, openTestStore, randomVolume, makeTwice } from '../../kit/test-store.js';

const touchesCatalog = ({ operations }: { readonly operations: readonly KvOperation[] }): boolean =>
  operations.some(({ key }) => key[0] === MetaPrefix.catalog);

t.test('a shadow copy whose listing was lost is listed again', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const content = randomVolume(new Random(testSeed(t)), 100);
  const first = await backUp(store, 'a', content);
  const second = await backUp(store, 'a', content);
  await databases.meta.write([{ type: 'del', key: catalogKey('a', second.name) }], { sync: true });
  const reopened = await openTestStore(databases);
  t.same(
    reopened.catalog.shadowCopies('a').map(({ name }) => name),
    [first.name, second.name],
  );
  t.same(reopened.catalog.shadowCopies('a'), store.catalog.shadowCopies('a'));
  await reopened.collect(QUIET);
  await assertContents(
    t,
    reopened,
    new Map([
      [keyOf(first), content],
      [keyOf(second), content],
    ]),
  );
});

t.test('objects that the end of a log took with it are not used for deduplication', async (t) => {
  const databases = memoryDatabases();
  const content = randomVolume(new Random(testSeed(t)), 100);
  const store = await openTestStore(databases);
  const first = await backUp(store, 'a', content);
  const lost: Uint8Array[] = [];
  for await (const key of databases.objects.keys({ gte: objectKey(3) })) lost.push(key);
  t.ok(lost.length > 3, 'something is lost');
  await databases.objects.write(
    lost.map((key): KvOperation => ({ type: 'del', key })),
    { sync: true },
  );
  const reopened = await openTestStore(databases);
  t.equal(reopened.objectStore.hasDamage, true, 'it is noticed before anyone reads');
  const second = await backUp(reopened, 'a', content);
  await assertContents(t, reopened, new Map([[keyOf(second), content]]));
  t.ok(second.name !== first.name);
});

t.test('entries that a crash in the middle of deleting left are no damage', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', randomVolume(new Random(3), 30));
  const newest = await highestIndexed(databases.meta);
  const key = sequenceKey(newest);
  const value = (await databases.meta.get(key)) ?? Buffer.alloc(0);
  await store.forget(listingOf(store, 'a'));
  await store.collect(QUIET);
  await store.collect(QUIET);
  await databases.meta.write([{ type: 'put', key, value }], { sync: true });
  const reopened = await openTestStore(databases);
  t.equal(reopened.objectStore.hasDamage, false);
});

t.test('a crash in the middle of forgetting: it is forgotten when the store is opened again', async (t) => {
  const { objects, meta } = memoryDatabases();
  const faults = new FaultQueue();
  const store = await openTestStore({ objects, meta: openFaultyKv(meta, faults) });
  await backUp(store, 'a', randomVolume(new Random(2), 30));
  faults.push({ on: 'write', match: touchesCatalog, error: new UmbraError('STORE_FAILED', 'crash') });
  await t.rejects(store.forget(listingOf(store, 'a')), { code: 'STORE_FAILED' });
  faults.assertAllFired();
  t.equal([...store.catalog.all()].length, 1);
  const reopened = await openTestStore({ objects, meta });
  t.same([...reopened.catalog.all()], [], 'as rebuilding would have it');
  await reopened.collect(QUIET);
  await reopened.collect(QUIET);
  await assertNoGarbage(t, reopened, { objects, meta });
});

t.test('the same shadow copy made again after it was forgotten, in the same millisecond, is not deleted', async (t) => {
  const databases = memoryDatabases();
  await makeTwice(databases, 'a');
  const reopened = await openTestStore(databases);
  t.equal([...reopened.catalog.all()].length, 1);
  await reopened.collect(QUIET);
  t.equal([...(await openTestStore(databases)).catalog.all()].length, 1);
});

t.test('objects that are not in the index yet are put into it, durably; torn ones are deleted', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const content = randomVolume(new Random(3), 200);
  const record = await backUp(store, 'a', content);
  const faults = new FaultQueue();
  await databases.objects.write([{ type: 'put', key: objectKey(9999), value: Buffer.from('torn') }], { sync: true });
  const empty = openMemoryKv();
  let unsynced = 0;
  faults.push({
    on: 'write',
    times: 1000,
    match: ({ sync }) => {
      unsynced += sync ? 0 : 1;
      return false;
    },
  });
  const reopened = await openTestStore({ objects: databases.objects, meta: openFaultyKv(empty, faults) });
  t.equal(unsynced, 0);
  t.equal(await databases.objects.get(objectKey(9999)), undefined);
  await assertContents(t, reopened, new Map([[keyOf(record), content]]));
  t.ok((await highestIndexed(empty)) > 0);
  t.ok(reopened.objectStore.log.nextSequence > 9999, 'numbers of torn objects are not used again');
});

t.test('damaged keys neither drive up sequence numbers nor get in the way', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const content = randomVolume(new Random(4), 50);
  const record = await backUp(store, 'a', content);
  const value = Buffer.from('?');
  const flipped = [Buffer.from('ff00000000000001', 'hex'), Buffer.from('00ff', 'hex'), Buffer.alloc(11)];
  await databases.objects.write(
    flipped.map((key) => ({ type: 'put', key, value })),
    { sync: true },
  );
  const high = sequenceKey(3);
  high[1] = 0xff;
  const odd = Buffer.concat([sequenceKey(3), Buffer.of(7)]);
  await databases.meta.write(
    [high, odd].map((key) => ({ type: 'put', key, value })),
    { sync: true },
  );
  const reopened = await openTestStore(databases);
  t.ok(reopened.objectStore.log.nextSequence < 2 ** 20);
  await reopened.collect(QUIET);
  await assertContents(t, reopened, new Map([[keyOf(record), content]]));
});

t.test('a record or tombstone that cannot be read is left alone', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', randomVolume(new Random(5), 20));
  const { record } = listingOf(store, 'a');
  await store.forget(listingOf(store, 'a'));
  for await (const [key, frame] of databases.objects.entries()) {
    if (frame[13] !== ObjectType.record && frame[13] !== ObjectType.tombstone) continue;
    await databases.objects.write([{ type: 'put', key, value: Buffer.from(frame).fill(0, 60) }], { sync: true });
  }
  const reopened = await openTestStore(databases);
  t.same([...reopened.catalog.all()], []);
  await t.rejects(reopened.reader.read(ObjectType.record, record), { code: 'STORE_DAMAGED' });
  await reopened.collect(QUIET);
  await assertNoGarbage(t, reopened, databases);
});
