import t, { type Test } from 'tap';

import { makeCompressor } from '../../../src/codec/compression.js';
import { digestOf } from '../../../src/codec/digest.js';
import { FRAME, MetaPrefix, ObjectType } from '../../../src/codec/formats.js';
import { encodeFrame } from '../../../src/codec/frame.js';
import { UmbraError } from '../../../src/common/errors.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { digestKey, objectName, quarantineKey, sequenceOfObjectKey } from '../../../src/store/keys.js';
import type { KvOperation, KvStore } from '../../../src/store/kv.js';
import { findSequences } from '../../../src/store/object-index.js';
import { ObjectLog } from '../../../src/store/object-log.js';
import { kvWith } from '../../kit/kv-with.js';
import { openPowerCutKv } from '../../kit/power-cut-kv.js';
import { Random, testSeed } from '../../kit/random.js';
import { assertContents, keyOf, listingOf, QUIET } from '../../kit/store-model.js';
import {
  backUp,
  memoryDatabases,
  openTestStore,
  randomVolume,
  readBack,
  TEST_FORMAT,
  type Databases,
} from '../../kit/test-store.js';

const compressor = makeCompressor(TEST_FORMAT.compression);

type DatabaseName = 'objects' | 'meta';

interface Write {
  readonly database: DatabaseName;
  readonly operations: readonly KvOperation[];
  readonly sync: boolean;
}

interface Recording {
  readonly databases: Databases;
  readonly writes: Write[];
  /** What becomes durable all at once: how many writes were done before. */
  readonly flushes: number[];
}

/** Databases that note every write once it is done. */
function recording(inner: Databases): Recording {
  const writes: Write[] = [];
  const flushes: number[] = [];
  const record = (database: DatabaseName, kv: KvStore): KvStore =>
    kvWith(kv, {
      flush: async () => {
        await kv.flush();
        flushes.push(writes.length);
      },
      write: async (operations, options) => {
        // The log uses its buffers again.
        const copies = operations.map((each): KvOperation =>
          each.type === 'put' ? { ...each, value: Buffer.from(each.value) } : each,
        );
        await kv.write(operations, options);
        writes.push({ database, operations: copies, sync: options.sync });
      },
    });
  return {
    databases: { objects: record('objects', inner.objects), meta: record('meta', inner.meta) },
    writes,
    flushes,
  };
}

function packed(content: string): {
  type: typeof ObjectType.chunk;
  digest: Uint8Array;
  plainBytes: number;
  frame: Buffer;
} {
  const plain = Buffer.from(content);
  return {
    type: ObjectType.chunk,
    digest: digestOf(plain),
    plainBytes: plain.length,
    frame: encodeFrame(ObjectType.chunk, plain, compressor),
  };
}

function newLog(databases: Databases, quarantined = new Set<string>()): ObjectLog {
  return new ObjectLog({ ...databases, nextSequence: 0, highWater: 0, quarantined, onReplaced: () => undefined });
}

/** What stands in a write: `record`, `chunk`, … for objects, the key's letter for `meta`. */
function kindsIn({ database, operations }: Write): Set<string> {
  return new Set(
    operations.map((operation) => {
      if (database === 'meta') return String.fromCharCode(operation.key[0] ?? 0);
      return operation.type === 'put' ? `object ${operation.value[13] ?? 0}` : 'del';
    }),
  );
}

t.test(
  'the write order of a backup: chunks, their entries, nodes, theirs, record, its, listing; all synced',
  async (t) => {
    const { databases, writes } = recording(memoryDatabases());
    const store = await openTestStore(databases);
    writes.splice(0);
    await backUp(store, 'a', new Random(1).bytes(5 * 1024 * 1024));
    t.ok(writes.every(({ sync }) => sync));
    const order = writes.map((write) => [...kindsIn(write)].sort().join('+'));
    t.same(
      order.filter((kinds, index) => kinds !== order[index - 1]),
      ['object 1', 'd+s', 'object 2+object 3', 'd+s', 'object 4', 'd+s', 'c'],
    );
    const durable = new Set<number>();
    for (const { database, operations } of writes) {
      for (const { key } of operations) {
        if (database === 'objects') durable.add(sequenceOfObjectKey(key) ?? -1);
        else if (key[0] === MetaPrefix.sequence)
          t.ok(durable.has(Number(Buffer.from(key).readBigUInt64BE(1))), 'an entry follows its object');
      }
    }
  },
);

t.test('what comes after so many bytes is durable before it is in the index, all at once', async (t) => {
  const { databases, writes, flushes } = recording(memoryDatabases());
  const content = new Random(1).bytes(20 * 1024 * 1024);
  const store = await openTestStore(databases, 9 * 1024 * 1024);
  writes.splice(0);
  await backUp(store, 'a', content);
  const chunks = writes.filter((write) => kindsIn(write).has('object 1'));
  t.strictSame(
    chunks.map(({ sync }) => sync),
    [true, true, false, false, false, false],
  );
  const [flushed = 0] = flushes;
  t.equal(flushes.length, 1, 'once before the barrier; what follows it is synced again');
  t.equal(writes[flushed - 1], chunks.at(-1));
  t.ok(writes.slice(flushed).every(({ sync }) => sync));
  t.ok(writes.slice(0, flushed).every(({ database, sync }) => database === 'objects' || sync));
  const first = writes.findIndex((write) => kindsIn(write).has('d+s') || kindsIn(write).has('d'));
  t.ok(first >= flushed, 'no index entry before');
  await assertContents(t, store, new Map([[keyOf(listingOf(store, 'a')), content]]));
});

t.test('what cannot be made durable is in no index: all give up, and the next backup works', async (t) => {
  const content = randomVolume(new Random(testSeed(t)), 3000);
  for (let after = 0; after < 3; after++) {
    const inner = memoryDatabases();
    const faults = new FaultQueue();
    const store = await openTestStore({ ...inner, objects: openFaultyKv(inner.objects, faults) }, 0);
    const bystander = store.openSession();
    faults.push({ on: 'flush', after, error: new UmbraError('STORE_FULL', 'full') });
    await t.rejects(backUp(store, 'a', content), { code: 'STORE_FULL' }, `flush ${after}`);
    t.equal(faults.pending().length, 0);
    await t.rejects(bystander.barrier(), { code: 'STORE_FULL' });
    bystander.end();
    await checkLater(t, store, inner, content);
  }
});

t.test('what was lost when a write failed does not fail the backups that come later', async (t) => {
  const inner = memoryDatabases();
  let isFull = false;
  let isUnsynced = false;
  let isLost = false;
  const objects = kvWith(inner.objects, {
    write: async (operations, options) => {
      if (isFull) {
        // As LevelDB that is opened again after this: nobody knows what its log still had.
        isLost ||= isUnsynced;
        throw new UmbraError('STORE_FULL', 'full');
      }
      await inner.objects.write(operations, options);
      isUnsynced ||= !options.sync;
    },
    flush: () => {
      const wasLost = isLost;
      isUnsynced = isLost = false;
      return wasLost ? Promise.reject(new UmbraError('STORE_FAILED', 'opened again')) : Promise.resolve();
    },
  });
  const random = new Random(testSeed(t));
  const store = await openTestStore({ ...inner, objects }, 0);
  const session = store.openSession();
  for (const filling of [false, true]) {
    isFull = filling;
    // More than one batch.
    for (let added = 0; added < 5 * 1024 * 1024; added += 100_000)
      await session.add(packed(random.bytes(100_000).toString('latin1'))).catch(() => undefined);
  }
  await t.rejects(session.barrier(), { code: 'STORE_FULL' });
  session.end();
  t.ok(isLost, 'something was not durable');
  isFull = false;
  const content = randomVolume(random, 3000);
  await checkLater(t, store, inner, content);
});

t.test('forgetting: the tombstone is durable before the listing goes', async (t) => {
  const { databases, writes } = recording(memoryDatabases());
  const store = await openTestStore(databases);
  await backUp(store, 'a', Buffer.alloc(5000, 1));
  writes.splice(0);
  await store.forget(listingOf(store, 'a'));
  t.same(
    writes.map((write) => [[...kindsIn(write)].sort().join('+'), write.sync]),
    [
      ['object 5', true],
      ['d+s', true],
      ['c', true],
    ],
  );
});

t.test('collecting: digests go before objects, both synced, sequence entries last', async (t) => {
  const { databases, writes } = recording(memoryDatabases());
  const store = await openTestStore(databases);
  await backUp(store, 'a', Buffer.alloc(5000, 1));
  await store.forget(listingOf(store, 'a'));
  writes.splice(0);
  await store.collect(QUIET);
  const steps = [
    ['d', true],
    ['del', true],
    ['s', false],
  ];
  t.same(
    writes.map((write) => [[...kindsIn(write)].join('+'), write.sync]),
    [...steps, ...steps],
  );
});

t.test('an object in flight is added once, and can be looked up', async (t) => {
  const databases = memoryDatabases();
  const log = newLog(databases);
  const object = packed('x');
  t.equal(log.pending(object.type, object.digest), undefined);
  const sequence = log.add(object);
  t.equal(log.add(object), sequence);
  t.equal(log.pending(object.type, object.digest), sequence);
  await log.barrier(log.failures);
  t.equal(log.pending(object.type, object.digest), undefined);
  t.same(await findSequences(databases.meta, object.type, [object.digest]), [sequence]);
  t.equal(log.writtenBytes, object.frame.length);
});

t.test('objects larger than a batch, and many small ones', async (t) => {
  const databases = memoryDatabases();
  const log = newLog(databases);
  const large = packed(new Random(2).bytes(9 * 1024 * 1024).toString('latin1'));
  const objects = [large, ...Array.from({ length: 5000 }, (_, index) => packed(`small ${index}`))];
  for (const object of objects) {
    log.add(object);
    await log.room();
  }
  await log.barrier(log.failures);
  const found = await findSequences(
    databases.meta,
    ObjectType.chunk,
    objects.map(({ digest }) => digest),
  );
  t.same(
    found,
    objects.map((_, index) => index),
  );
  let wrong = 0;
  for await (const [key, frame] of databases.objects.entries()) {
    if (!objects[sequenceOfObjectKey(key) ?? -1]?.frame.equals(frame)) wrong++;
  }
  t.equal(wrong, 0);
});

t.test('adding a quarantined object takes it out of the quarantine', async (t) => {
  const databases = memoryDatabases();
  const object = packed('x');
  const quarantined = new Set([objectName(object.type, object.digest)]);
  const key = quarantineKey(object.type, object.digest);
  await databases.meta.write([{ type: 'put', key, value: Buffer.from('q') }], { sync: true });
  const log = newLog(databases, quarantined);
  log.add(object);
  await log.barrier(0);
  t.equal(quarantined.size, 0);
  t.equal(await databases.meta.get(key), undefined);
});

t.test(
  'a failure at any write: every session that was open gives up, later ones work, nothing doubtful stays',
  async (t) => {
    const content = randomVolume(new Random(testSeed(t)), 1100);
    let failed = 0;
    for (const database of ['objects', 'meta'] as const) {
      for (const partial of [0, 1, 1e9]) {
        for (let after = 0; after < 5; after++) {
          const inner = memoryDatabases();
          const faults = new FaultQueue();
          const faulty = openFaultyKv(inner[database], faults);
          const store = await openTestStore({ ...inner, [database]: faulty });
          const bystander = store.openSession();
          faults.push({ on: 'write', after, partial, error: new UmbraError('STORE_FULL', 'full') });
          const first = await backUp(store, 'a', content).catch((error: unknown) => error);
          if (faults.pending().length > 0) continue;
          failed++;
          t.match(first, { code: 'STORE_FULL' });
          // The listing is not the log's: when it fails, others need not give up.
          if (store.objectStore.log.failures > 0) await t.rejects(bystander.barrier(), { code: 'STORE_FULL' });
          bystander.end();
          await checkLater(t, store, inner, content);
        }
      }
    }
    t.ok(failed >= 15, `${failed} failures`);
  },
);

async function checkLater(
  t: Test,
  store: Awaited<ReturnType<typeof openTestStore>>,
  inner: Databases,
  content: Buffer,
): Promise<void> {
  const record = await backUp(store, 'a', content);
  const models = new Map([[keyOf(record), content]]);
  await assertContents(t, store, models);
  for await (const key of inner.objects.keys()) {
    const frame = await inner.objects.get(key);
    if (frame === undefined || frame.length < FRAME.headerBytes) continue;
    const digest = frame.subarray(16, 48);
    const type = Object.values(ObjectType).find((known) => known === frame[13]) ?? ObjectType.chunk;
    if ((await inner.meta.get(digestKey(type, digest))) === undefined)
      t.fail('an object is in no index: it was doubtful and stayed');
  }
  const reopened = await openTestStore(inner);
  await reopened.collect(QUIET);
  await assertContents(t, reopened, models);
}

t.test('sequence numbers are never used twice, whenever power goes', async (t) => {
  const random = new Random(testSeed(t));
  let databases = { objects: openPowerCutKv({ random }), meta: openPowerCutKv({ random, reordering: true }) };
  const used = new Set<number>();
  let twice = 0;
  for (let life = 0; life < 30; life++) {
    const { objects, meta } = databases;
    const watched = kvWith(objects, {
      write: async (operations, options) => {
        for (const operation of operations) {
          if (operation.type !== 'put') continue;
          const sequence = sequenceOfObjectKey(operation.key) ?? -1;
          if (used.has(sequence)) twice++;
          used.add(sequence);
        }
        await objects.write(operations, options);
      },
    });
    const store = await openTestStore({ objects: watched, meta }, random.chance(0.5) ? 0 : undefined);
    let powered = true;
    const working = (async () => {
      for (let turn = 0; turn < 20; turn++) {
        await backUp(store, 'a', random.bytes(9000));
        await new Promise(setImmediate);
        if (random.chance(0.4)) await store.forget(listingOf(store, 'a'));
        if (random.chance(0.4)) await store.collect(QUIET);
      }
    })().catch((error: unknown) => {
      if (powered) throw error;
    });
    for (let turn = random.below(30); turn > 0; turn--) await new Promise(setImmediate);
    for (let turn = random.below(60); turn > 0; turn--) await Promise.resolve();
    powered = false;
    databases = { objects: objects.powerCut(), meta: meta.powerCut() };
    await working;
  }
  t.ok(used.size > 30, `${used.size} objects`);
  t.equal(twice, 0);
  const store = await openTestStore(databases);
  for (const listing of store.catalog.all()) await readBack(store, listing);
});
