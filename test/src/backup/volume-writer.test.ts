import t from 'tap';
import { VolumeWriter } from '../../../src/backup/volume-writer.js';
import { digestOf } from '../../../src/codec/digest.js';
import { UmbraError } from '../../../src/common/errors.js';
import { DIGEST_BYTES, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { indexEntries } from '../../../src/store/object-index.js';
import type { KvStore } from '../../../src/store/kv.js';
import type { Store } from '../../../src/store/store.js';
import { encodeLeaf, type ChunkRef } from '../../../src/tree/node.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { kvWith } from '../../kit/kv-with.js';
import { testPool } from '../../kit/machine-backups.js';
import { Random, testSeed } from '../../kit/random.js';
import { openTestStore } from '../../kit/test-store.js';

const pool = testPool(t);
/** Leaves below one inner node. */
const FANOUT = 256;

/** What a test does to a look-up in the index. */
type LookUp = () => Promise<void>;

interface Indexed {
  readonly leaves: number;
  readonly inner: number;
}

/** A store, and what its index had after each write of it. */
async function watchedStore(lookUp: LookUp = () => Promise.resolve()): Promise<{ store: Store; indexed: Indexed[] }> {
  const indexed: Indexed[] = [];
  const kv = openMemoryKv();
  const meta: KvStore = kvWith(kv, {
    getMany: async (keys) => {
      await lookUp();
      return await kv.getMany(keys);
    },
    write: async (operations, options) => {
      await kv.write(operations, options);
      const types: ObjectType[] = [];
      for await (const { entry } of indexEntries(kv)) if (entry !== undefined) types.push(entry.type);
      const count = (wanted: ObjectType): number => types.filter((type) => type === wanted).length;
      indexed.push({ leaves: count(ObjectType.leaf), inner: count(ObjectType.inner) });
    },
  });
  return { store: await openTestStore({ objects: openMemoryKv(), meta }), indexed };
}

/** The leaf of a region of which nobody reads the chunks. */
function leafOf(random: Random, chunks: number): Buffer {
  const refs = Array.from({ length: chunks }, (_, index): ChunkRef => {
    return { firstBlock: index, blocks: 1, digest: random.bytes(DIGEST_BYTES) };
  });
  return encodeLeaf(refs);
}

/** Write leaves at some regions. @returns the digest of the root */
async function write(store: Store, regions: number, leaves: ReadonlyMap<number, Buffer>): Promise<Uint8Array> {
  const session = store.openSession();
  const writer = new VolumeWriter({ session, pool, regions, window: 4 });
  for (const [region, leaf] of leaves) {
    await writer.submit(region, async () => {
      await writer.addLeaf(leaf);
      return digestOf(leaf);
    });
  }
  return await writer.finish().finally(() => {
    session.end();
  });
}

t.test('however many inner nodes a volume has, all of them are stored at once, after all leaves', async (t) => {
  const random = new Random(testSeed(t));
  const writes: number[] = [];
  for (const nodes of [2, 20]) {
    const { store, indexed } = await watchedStore();
    const leaves = new Map(Array.from({ length: nodes }, (_, node) => [node * FANOUT + 7, leafOf(random, 3)]));
    const before = indexed.length;
    const regions = nodes * FANOUT;
    const root = await write(store, regions, leaves);
    const after = indexed.slice(before);
    writes.push(after.length);
    t.ok(
      after.every(({ inner, leaves: stored }) => inner === 0 || stored === nodes),
      'no inner node before all leaves are durable',
    );
    t.same(after.at(-1), { leaves: nodes, inner: nodes + 1 });
    const reader = new TreeReader(store.reader, { sizeBytes: regions * REGION_BYTES, root });
    for (const [region, leaf] of leaves) t.same(await reader.leafDigest(region), digestOf(leaf));
    await store.close();
  }
  t.equal(writes[1], writes[0], `${writes.join(' and ')} writes of the index`);
});

t.test(
  'nodes do not pile up in memory: some are stored long before the end, leaves before what names them',
  async (t) => {
    const random = new Random(testSeed(t));
    const { store, indexed } = await watchedStore();
    // Some 36 KB each.
    const leaves = new Map(Array.from({ length: 300 }, (_, region) => [region, leafOf(random, 1000)]));
    await write(store, 2 * FANOUT, leaves);
    const early = indexed.filter(({ leaves: stored }) => stored > 0 && stored < leaves.size);
    t.ok(early.length > 0, 'some leaves are stored before the last one has come');
    t.ok(indexed.every(({ inner, leaves: stored }) => inner === 0 || stored >= FANOUT));
    t.same(indexed.at(-1), { leaves: leaves.size, inner: 3 });
    await store.close();
  },
);

t.test('nodes that could not be stored are stored by whoever goes on, also those of settled regions', async (t) => {
  const random = new Random(testSeed(t));
  const leaves = Array.from({ length: 300 }, () => leafOf(random, 1000));
  let failures = 0;
  let isFailing = false;
  const { store } = await watchedStore(() => {
    if (!isFailing) return Promise.resolve();
    failures++;
    return Promise.reject(new UmbraError('STORE_FAILED', 'the disk does not read'));
  });
  const session = store.openSession();
  const writer = new VolumeWriter({ session, pool, regions: leaves.length, window: 4 });
  for (const [region, leaf] of leaves.entries()) {
    const work = async (): Promise<Uint8Array> => {
      await writer.addLeaf(leaf);
      return digestOf(leaf);
    };
    isFailing = failures === 0;
    await writer.submit(region, work);
    const outcome = await writer.settle().catch((error: unknown) => error);
    if (outcome === undefined) continue;
    t.match(outcome, { code: 'STORE_FAILED' });
    isFailing = false;
    // As when the connection of an upload is lost: what was settled does not come again.
    await writer.abandonRunning();
    await writer.submit(region, work);
    await writer.settle();
  }
  const root = await writer.finish();
  session.end();
  t.equal(failures, 1);
  const reader = new TreeReader(store.reader, { sizeBytes: leaves.length * REGION_BYTES, root });
  for (const [region, leaf] of leaves.entries()) {
    t.same(await reader.leafDigest(region), digestOf(leaf));
    t.same(await store.reader.read(ObjectType.leaf, digestOf(leaf)), leaf);
  }
  await store.close();
});
