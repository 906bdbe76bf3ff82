import t from 'tap';

import { makeCompressor } from '../../../src/codec/compression.js';
import { digestOf, toHex } from '../../../src/codec/digest.js';
import { ObjectType } from '../../../src/codec/formats.js';
import { encodeFrame } from '../../../src/codec/frame.js';
import { UmbraError } from '../../../src/common/errors.js';
import { encodeLeaf } from '../../../src/tree/node.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { damageObject, objectsOf } from '../../kit/store-damage.js';
import { Random, testSeed } from '../../kit/random.js';
import { backUp, memoryDatabases, openTestStore, TEST_FORMAT } from '../../kit/test-store.js';

const plain = Buffer.alloc(4096, 7);
const chunk = {
  type: ObjectType.chunk,
  digest: digestOf(plain),
  plainBytes: plain.length,
  frame: encodeFrame(ObjectType.chunk, plain, makeCompressor(TEST_FORMAT.compression)),
};

t.test('reads what is there; what is not names itself', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', plain);
  t.ok((await store.reader.read(chunk.type, chunk.digest)).equals(plain));
  const other = Buffer.alloc(32, 9);
  t.same(await store.reader.has(chunk.type, [chunk.digest, other]), [true, false]);
  t.match(await store.reader.readFrames(chunk.type, [other, chunk.digest]), [{ fault: /not in the index/ }, {}]);
  await t.rejects(store.reader.read(chunk.type, other), {
    code: 'STORE_DAMAGED',
    message: new RegExp(`chunk ${toHex(other)}`),
  });
});

t.test('reads many at once, what can be read', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const leaves = [];
  const session = store.openSession();
  for (const first of [0, 1, 2]) {
    const leaf = encodeLeaf([{ firstBlock: first, blocks: 1, digest: chunk.digest }]);
    leaves.push({ leaf, digest: (await session.addPlain(ObjectType.leaf, leaf)).digest });
  }
  await session.barrier();
  session.end();
  const { reader } = store.objectStore;
  const [first, second, third] = leaves;
  if (first === undefined || second === undefined || third === undefined) throw new RangeError('three leaves');
  await reader.read(ObjectType.leaf, third.digest);
  const other = Buffer.alloc(32, 9);
  const read = await reader.readMany(ObjectType.leaf, [second.digest, other, third.digest, first.digest]);
  t.match(read[1], { code: 'STORE_DAMAGED', message: new RegExp(toHex(other)) });
  t.same([read[0], read[2], read[3]], [second.leaf, third.leaf, first.leaf]);
  const random = new Random(testSeed(t));
  for (const stored of await objectsOf(databases.objects, ObjectType.leaf))
    await damageObject(random, databases, stored);
  t.same(await reader.readMany(ObjectType.leaf, [first.digest]), [first.leaf], 'nodes are kept');
  t.same(await reader.readMany(ObjectType.leaf, []), []);
});

t.test('a fault that passes is not damage', async (t) => {
  const faults = new FaultQueue();
  const { objects, meta } = memoryDatabases();
  const store = await openTestStore({ objects: openFaultyKv(objects, faults), meta });
  await backUp(store, 'a', plain);
  faults.push({ on: 'getMany', corrupt: (value) => Buffer.from(value).fill(1, 60) });
  await t.rejects(store.reader.read(chunk.type, chunk.digest), {
    code: 'STORE_DAMAGED',
    message: /right when read again/,
  });
  t.notOk(store.objectStore.hasDamage);
  t.ok((await store.reader.read(chunk.type, chunk.digest)).equals(plain));
  faults.push({ on: 'getMany', error: new UmbraError('STORE_FAILED', 'the disk does not answer') });
  await t.rejects(store.reader.read(chunk.type, chunk.digest), { code: 'STORE_FAILED' });
  t.notOk(store.objectStore.hasDamage);
  faults.assertAllFired();
});

t.test('one bad record costs no others', async (t) => {
  const faults = new FaultQueue();
  const { objects, meta } = memoryDatabases();
  const store = await openTestStore({ objects: openFaultyKv(objects, faults), meta });
  await backUp(store, 'a', plain);
  faults.push({ on: 'getMany', error: new UmbraError('STORE_DAMAGED', 'a bad table') });
  t.match(await store.reader.readFrames(chunk.type, [chunk.digest]), [{ frame: Buffer }]);
  const bad = (): void => {
    faults.push(
      { on: 'getMany', error: new UmbraError('STORE_DAMAGED', 'a bad table') },
      { on: 'get', error: new UmbraError('STORE_DAMAGED', 'a bad block') },
    );
  };
  bad();
  bad();
  await t.rejects(store.reader.read(chunk.type, chunk.digest), { code: 'STORE_DAMAGED', message: /a bad block/ });
  t.ok(store.objectStore.hasDamage);
});

t.test('damage that two find at once does not take away what heals it', async (t) => {
  const random = new Random(testSeed(t));
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', plain);
  const [target] = await objectsOf(databases.objects, ObjectType.chunk);
  if (target === undefined) throw new RangeError('no chunk');
  await damageObject(random, databases, target);
  const reports = [1, 2, 3].map(() => store.reader.reportDamage(chunk.type, chunk.digest, 'test'));
  const session = store.openSession();
  await session.add(chunk);
  await session.barrier();
  await Promise.all(reports);
  session.end();
  t.ok((await store.reader.read(chunk.type, chunk.digest)).equals(plain));
  await store.reader.reportDamage(chunk.type, chunk.digest, 'a late one');
  t.ok((await store.reader.read(chunk.type, chunk.digest)).equals(plain));
});

t.test('damage on a full disk is damage, not a full disk', async (t) => {
  const faults = new FaultQueue();
  const { objects, meta } = memoryDatabases();
  const store = await openTestStore({ objects, meta: openFaultyKv(meta, faults) });
  await backUp(store, 'a', plain);
  const [target] = await objectsOf(objects, ObjectType.chunk);
  if (target !== undefined) await damageObject(new Random(1), { objects, meta }, target);
  faults.push({ on: 'write', error: new UmbraError('STORE_FULL', 'full') });
  await t.rejects(store.reader.read(chunk.type, chunk.digest), { code: 'STORE_DAMAGED' });
  faults.assertAllFired();
  t.ok(store.objectStore.hasDamage);
  const session = store.openSession();
  t.same(await session.find(chunk.type, [chunk.digest]), [false], 'not used for deduplication all the same');
  session.end();
});
