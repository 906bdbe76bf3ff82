import t from 'tap';

import { ObjectType } from '../../../src/codec/formats.js';
import type { IndexEntry } from '../../../src/store/index-entries.js';
import { indexEntries } from '../../../src/store/object-index.js';
import { ObjectChecker } from '../../../src/store/verify-objects.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { damageObject, objectsOf } from '../../kit/store-damage.js';
import { Random } from '../../kit/random.js';
import { listingOf, QUIET } from '../../kit/store-model.js';
import { backUp, memoryDatabases, openTestStore, TEST_FORMAT } from '../../kit/test-store.js';

const pool = new WorkerPool(TEST_FORMAT, 1);
t.teardown(() => pool.close());

t.test('what was collected since its entry was read is not damaged', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', Buffer.alloc(5000, 1));
  const entries: IndexEntry[] = [];
  for await (const { entry } of indexEntries(databases.meta)) if (entry?.type === ObjectType.chunk) entries.push(entry);
  await store.forget(listingOf(store, 'a'));
  await store.collect(QUIET);
  const checker = new ObjectChecker(store, pool);
  await checker.checkEntries(ObjectType.chunk, entries);
  t.ok(entries.length > 0);
  t.same([checker.objects, checker.damaged], [0, []]);
});

t.test('each object is read once; damaged ones are remembered by kind', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', Buffer.alloc(5000, 1));
  const [chunk] = await objectsOf(databases.objects, ObjectType.chunk);
  const [leaf] = await objectsOf(databases.objects, ObjectType.leaf);
  if (chunk === undefined || leaf === undefined) throw new RangeError('nothing stored');
  const checker = new ObjectChecker(store, pool);
  for (let turn = 0; turn < 3; turn++) await checker.checkChunks([chunk.digest, chunk.digest]);
  t.equal(checker.objects, 1);
  t.ok((await checker.read(ObjectType.leaf, leaf.digest)).length > 0);
  t.equal(checker.objects, 2);
  await damageObject(new Random(1), databases, leaf);
  const again = new ObjectChecker(store, pool);
  await t.rejects(again.read(ObjectType.leaf, leaf.digest), { code: 'STORE_DAMAGED' });
  const name = Buffer.from(leaf.digest).toString('hex');
  t.same([again.isDamaged('leaf', name), again.isDamaged('chunk', name)], [true, false]);
  await again.checkChunks([Buffer.alloc(32, 1)]);
  t.ok(again.isDamaged('chunk', '01'.repeat(32)), 'one that is not there');
});
