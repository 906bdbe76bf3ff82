import t from 'tap';
import type { DiskImage } from '../../../agent/images/image.js';
import { VolumeBackup, type BackedUpVolume } from '../../../src/backup/backup-volume.js';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { toHex } from '../../../src/codec/digest.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { indexEntries } from '../../../src/store/object-index.js';
import type { VolumeRecord } from '../../../src/store/records.js';
import type { Store } from '../../../src/store/store.js';
import type { WorkerPool } from '../../../src/workers/pool.js';
import { chunksOf } from '../../kit/damage.js';
import { fakeImage } from '../../kit/fake-image.js';
import { kvWith } from '../../kit/kv-with.js';
import { assertSlotsFree, testPool } from '../../kit/machine-backups.js';
import { Random, testSeed } from '../../kit/random.js';
import { openTestStore } from '../../kit/test-store.js';
import { changedVolume, randomVolume } from '../../kit/volumes.js';

const sharedPool = testPool(t);

async function run(
  store: Store,
  content: Uint8Array | DiskImage,
  parent?: VolumeRecord,
  pool: WorkerPool = sharedPool,
): Promise<BackedUpVolume> {
  const session = store.openSession();
  const signal = new AbortController().signal;
  const options = {
    name: 'vda',
    image: content instanceof Uint8Array ? fakeImage(content) : content,
    session,
    pool,
    reader: store.reader,
    parent,
    distrustParent: false,
    signal,
  };
  return new VolumeBackup({ ...options, onRead: () => undefined }).run().finally(() => {
    session.end();
  });
}

function recordOf(content: Uint8Array, { root, dataBytes }: BackedUpVolume): VolumeRecord {
  return { name: 'vda', sizeBytes: content.length, dataBytes, root, source: { path: '/vda', format: 'raw' } };
}

/** Plain and stored bytes of all chunks in the store, each object once. */
async function storedChunks(
  store: Store,
): Promise<{ chunks: number; plain: number; stored: number; distinct: number }> {
  let [chunks, plain, stored] = [0, 0, 0];
  const digests = new Set<string>();
  for await (const { entry } of indexEntries(store.objectStore.meta)) {
    if (entry?.type !== ObjectType.chunk) continue;
    chunks++;
    plain += entry.plainBytes;
    stored += entry.storedBytes;
    digests.add(toHex(entry.digest));
  }
  return { chunks, plain, stored, distinct: digests.size };
}

async function chunkLines(store: Store, volume: VolumeRecord): Promise<string[]> {
  return (await chunksOf(store, volume)).map(({ region, chunk }) => `${region} ${toHex(chunk.digest)} ${chunk.blocks}`);
}

t.test('the figures are those of the store and of the trees, over versions that grow, shrink and change', async (t) => {
  const random = new Random(testSeed(t));
  const store = await openTestStore();
  let content = randomVolume(random, 3 * REGION_BYTES + 777);
  let parent: VolumeRecord | undefined;
  let before = await storedChunks(store);
  for (let version = 0; version < 8; version++) {
    const made = await run(store, content, parent);
    const record = recordOf(content, made);
    const after = await storedChunks(store);
    t.equal(after.chunks, after.distinct, 'no chunk is stored twice');
    const blocks = Array.from({ length: Math.ceil(content.length / BLOCK_BYTES) }, (_, block) =>
      content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES),
    );
    const known = new Set(parent === undefined ? [] : await chunkLines(store, parent));
    const changed = (await chunkLines(store, record)).filter((line) => !known.has(line));
    t.same(made.result, {
      name: 'vda',
      sizeBytes: content.length,
      dataBytes: blocks.filter((block) => block.some((byte) => byte !== 0)).length * BLOCK_BYTES,
      changedBytes: changed.reduce((sum, line) => sum + Number(line.split(' ')[2]) * BLOCK_BYTES, 0),
      newChunks: after.chunks - before.chunks,
      newBytes: after.plain - before.plain,
      storedBytes: after.stored - before.stored,
    });
    [parent, before] = [record, after];
    content = changedVolume(random, content, random.chance(0.5) ? content.length : random.below(4 * REGION_BYTES));
  }
});

t.test('what did not change is neither new nor changed, with a parent and without', async (t) => {
  const content = randomVolume(new Random(testSeed(t)), 2 * REGION_BYTES);
  const store = await openTestStore();
  const first = await run(store, content);
  const objects = store.objectStore.log.nextSequence;
  const again = await run(store, content, recordOf(content, first));
  t.match(again.result, { changedBytes: 0, newChunks: 0, newBytes: 0, storedBytes: 0, dataBytes: first.dataBytes });
  const orphan = await run(store, content);
  t.match(orphan.result, { changedBytes: first.dataBytes, newChunks: 0, newBytes: 0, storedBytes: 0 });
  t.same([again.root, orphan.root], [first.root, first.root]);
  t.equal(store.objectStore.log.nextSequence, objects, 'not even a node was written');
});

t.test('equal regions in flight together are stored once', async (t) => {
  const region = new Random(1).bytes(REGION_BYTES);
  const content = Buffer.concat(Array<Buffer>(12).fill(region));
  const store = await openTestStore();
  const { result } = await run(store, content);
  t.equal(result.newBytes, REGION_BYTES);
  t.equal(result.dataBytes, 12 * REGION_BYTES);
  t.same(await storedChunks(store), {
    chunks: result.newChunks,
    distinct: result.newChunks,
    plain: REGION_BYTES,
    stored: result.storedBytes,
  });
});

t.test('a chunk looked up before another region stored it, and claimed after, is stored once', async (t) => {
  const region = new Random(2).bytes(REGION_BYTES);
  const meta = openMemoryKv();
  let lookUps = 0;
  let isStored: () => boolean = () => true;
  const getMany = async (keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> => {
    const values = await meta.getMany(keys);
    // The second region has its answer, and hears of it when the first is through.
    if (keys.length > 1 && ++lookUps === 2) {
      while (!isStored()) await new Promise(setImmediate);
      for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
    }
    return values;
  };
  const slow = kvWith(meta, { getMany });
  const store = await openTestStore({ objects: openMemoryKv(), meta: slow });
  const { log } = store.objectStore;
  const before = log.nextSequence;
  isStored = () => log.nextSequence > before + 10;
  const inner = fakeImage(Buffer.concat([region, region]));
  const image: DiskImage = {
    ...inner,
    async read(target, offset) {
      while (offset >= REGION_BYTES && lookUps === 0) await new Promise(setImmediate);
      await inner.read(target, offset);
    },
  };
  const { result } = await run(store, image);
  t.equal(result.newBytes, REGION_BYTES);
  t.ok(lookUps >= 2);
  t.equal((await storedChunks(store)).plain, REGION_BYTES);
});

t.test('a chunk twice in one region is stored once', async (t) => {
  const store = await openTestStore();
  const content = Buffer.alloc(REGION_BYTES);
  for (const at of [0, 1_048_576, 2_097_152]) content.fill('same', at, at + BLOCK_BYTES);
  t.match((await run(store, content)).result, { dataBytes: 3 * BLOCK_BYTES, newChunks: 1, newBytes: BLOCK_BYTES });
});

t.test('volumes without data, and of odd sizes', async (t) => {
  const store = await openTestStore();
  for (const size of [0, 1, 4096, 3 * REGION_BYTES + 1]) {
    const { root, result } = await run(store, Buffer.alloc(size));
    t.match(result, { sizeBytes: size, dataBytes: 0, newChunks: 0 });
    t.equal(toHex(root), '00'.repeat(32));
  }
  const tail = Buffer.alloc(REGION_BYTES + 1, 0);
  tail[REGION_BYTES] = 9;
  t.match((await run(store, tail)).result, { dataBytes: BLOCK_BYTES, newChunks: 1, newBytes: BLOCK_BYTES });
});

t.test('a volume of many regions: inner nodes, flushes on the way, progress up to the end', async (t) => {
  const store = await openTestStore();
  const session = store.openSession();
  const positions: number[] = [];
  // Every third region has a block of its own.
  const image = {
    ...fakeImage(new Uint8Array(), {
      extents: Array.from({ length: 100 }, (_, index) => ({ offset: index * 3 * REGION_BYTES, length: 16384 })),
    }),
    sizeBytes: 300 * REGION_BYTES,
    read(target: Uint8Array, offset: number): Promise<void> {
      Buffer.from(target.buffer, target.byteOffset)
        .fill(0, 0, target.length)
        .writeUInt32LE(offset + 1, 8192);
      return Promise.resolve();
    },
  };
  const signal = new AbortController().signal;
  const options = {
    name: 'vda',
    image,
    session,
    pool: sharedPool,
    reader: store.reader,
    parent: undefined,
    distrustParent: false,
    signal,
  };
  const made = await new VolumeBackup({ ...options, onRead: (at) => positions.push(at) }).run();
  session.end();
  t.equal(made.result.newChunks, 100);
  t.equal(Math.max(...positions), 298 * REGION_BYTES);
  const record = { ...recordOf(Buffer.alloc(0), made), sizeBytes: image.sizeBytes };
  t.same(
    (await chunksOf(store, record)).map(({ region }) => region),
    Array.from({ length: 100 }, (_, index) => index * 3),
  );
  await assertSlotsFree(t, sharedPool);
});
