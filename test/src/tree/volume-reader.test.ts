import t, { type Test } from 'tap';
import { toHex } from '../../../src/codec/digest.js';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { ByteCache } from '../../../src/store/byte-cache.js';
import type { VolumeRecord } from '../../../src/store/records.js';
import type { Store } from '../../../src/store/store.js';
import { RegionCache } from '../../../src/tree/region-cache.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { TreeVolumeReader, type ReadContext } from '../../../src/tree/volume-reader.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
import { openMemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { randomVolume } from '../../kit/volumes.js';
import { WatchedPool } from '../../kit/watched-pool.js';

interface Bench {
  readonly store: Store;
  readonly pool: WatchedPool;
  readonly context: ReadContext;
  readonly volume: VolumeRecord;
  open(onClose?: () => void): TreeVolumeReader;
}

async function openBench(t: Test, content: Uint8Array): Promise<Bench> {
  const { store, backUp } = await openMemoryStore(t);
  const [volume] = (await backUp({ vda: content })).volumes;
  if (volume === undefined) throw new RangeError('no volume');
  const pool = new WatchedPool(store.format, 2);
  t.teardown(() => pool.close());
  const regions = new RegionCache({ reader: () => store.reader, pool: () => pool, maxBytes: 4 * REGION_BYTES });
  const context = { reader: store.reader, regions, chunks: new ByteCache<Uint8Array>(1024 * 1024), reading: new Map() };
  return {
    store,
    pool,
    context,
    volume,
    open: (onClose = () => undefined) => new TreeVolumeReader(context, volume, onClose),
  };
}

/** A read at a random place, of a size that programs use or an odd one. */
function randomRead(random: Random, sizeBytes: number): { offset: number; length: number } {
  const length = [1, 511, 4096, 65536, 131072, random.between(1, 700_000)][random.below(6)] ?? 1;
  return { offset: random.below(sizeBytes + 5000), length };
}

async function readAt(reader: TreeVolumeReader, offset: number, length: number): Promise<Buffer> {
  const target = Buffer.alloc(length, 0xee);
  const got = await reader.read(target, offset);
  if (!target.subarray(got).every((byte) => byte === 0xee)) throw new RangeError('wrote behind what it read');
  return target.subarray(0, got);
}

t.test('random reads of a volume of an odd size, holes, the tail and beyond it', async (t) => {
  const random = new Random(testSeed(t));
  const content = randomVolume(random, 5 * REGION_BYTES + 12_345);
  const reader = (await openBench(t, content)).open();
  t.equal(reader.sizeBytes, content.length);
  for (let round = 0; round < 300; round++) {
    const { offset, length } = randomRead(random, content.length);
    const bytes = await readAt(reader, offset, length);
    if (!bytes.equals(content.subarray(offset, offset + length))) t.fail(`${length} bytes from ${offset}`);
  }
  t.equal((await readAt(reader, content.length - 1, 10)).length, 1);
  t.equal((await readAt(reader, content.length, 10)).length, 0);
  t.equal((await readAt(reader, content.length + REGION_BYTES, 10)).length, 0);
  t.equal((await readAt(reader, 0, 0)).length, 0);
});

t.test('volumes smaller than a block, and empty ones', async (t) => {
  for (const content of [
    Buffer.alloc(0),
    Buffer.from('x'),
    Buffer.alloc(1),
    Buffer.alloc(10_000),
    Buffer.alloc(BLOCK_BYTES + 1, 'tail'),
  ]) {
    const reader = (await openBench(t, content)).open();
    t.ok((await readAt(reader, 0, 20_000)).equals(content), `${content.length} bytes`);
  }
});

t.test('many readers at once, sequential and random, get their own bytes', async (t) => {
  const random = new Random(testSeed(t));
  const content = randomVolume(random, 6 * REGION_BYTES - 1);
  const bench = await openBench(t, content);
  const reader = bench.open();
  const sequential = async (own: TreeVolumeReader, start: number): Promise<void> => {
    for (let at = start; at < content.length; at += 131072) {
      if (!(await readAt(own, at, 131072)).equals(content.subarray(at, at + 131072))) t.fail(`sequential at ${at}`);
    }
  };
  const scattered = async (): Promise<void> => {
    for (let round = 0; round < 40; round++) {
      const { offset, length } = randomRead(random, content.length);
      if (!(await readAt(reader, offset, length)).equals(content.subarray(offset, offset + length)))
        t.fail(`random at ${offset}`);
    }
  };
  await Promise.all([
    sequential(bench.open(), 0),
    sequential(bench.open(), 777),
    sequential(bench.open(), 9_000_000),
    scattered(),
    scattered(),
  ]);
  t.ok(bench.context.chunks.bytes <= 1024 * 1024, 'the chunk cache keeps its limit');
  t.equal(bench.context.reading.size, 0);
});

t.test('a sequential reader has each region decoded once, by workers', async (t) => {
  const content = new Random(1).bytes(8 * REGION_BYTES);
  const bench = await openBench(t, content);
  const reader = bench.open();
  for (let at = 0; at < content.length; at += 4 * 131072) {
    // As the kernel does it: several at once, in any order.
    const offsets = [1, 0, 3, 2].map((part) => at + part * 131072);
    const parts = await Promise.all(offsets.map((offset) => readAt(reader, offset, 131072)));
    for (const [index, part] of parts.entries()) {
      if (!part.equals(content.subarray(offsets[index], (offsets[index] ?? 0) + 131072)))
        t.fail(`at ${offsets[index] ?? 0}`);
    }
  }
  t.equal(bench.pool.count('unpack'), 8);
  for (let at = 0; at < REGION_BYTES; at += 131072) await readAt(reader, at, 131072);
  t.ok(bench.pool.count('unpack') > 8, 'who goes back to the beginning is sequential again');
});

t.test('several who read in order through one reader are each read ahead for', async (t) => {
  const content = new Random(3).bytes(8 * REGION_BYTES);
  const bench = await openBench(t, content);
  const reader = bench.open();
  const starts = [0, 4 * REGION_BYTES];
  for (let done = 0; done < REGION_BYTES; done += 65_536) {
    for (const start of [...starts, 7 * REGION_BYTES + 3 * (done % 1_000_000)]) {
      const length = starts.includes(start) ? 65_536 : 512;
      const at = start + (length > 512 ? done : 0);
      if (!(await readAt(reader, at, length)).equals(content.subarray(at, at + length))) t.fail(`at ${at}`);
    }
  }
  t.ok(bench.pool.count('unpack') >= 2);
});

t.test('what is announced is decoded by workers, and nothing beyond it', async (t) => {
  const content = new Random(4).bytes(8 * REGION_BYTES);
  const bench = await openBench(t, content);
  const reader = bench.open();
  const start = 2 * REGION_BYTES + 500_000;
  const length = REGION_BYTES;
  reader.willRead(start, length);
  for (let at = start; at < start + length; at += 131_072) {
    const part = Math.min(131_072, start + length - at);
    if (!(await readAt(reader, at, part)).equals(content.subarray(at, at + part))) t.fail(`at ${at}`);
  }
  t.equal(bench.pool.count('unpack'), 2);
  reader.willRead(content.length - 10, 1000);
  reader.willRead(content.length + 10, 1000);
  t.ok((await readAt(reader, content.length - 10, 20)).equals(content.subarray(-10)));
  t.equal(bench.pool.count('unpack'), 3);
});

t.test('of many announcements the last count', async (t) => {
  const content = new Random(5).bytes(6 * REGION_BYTES);
  const bench = await openBench(t, content);
  const reader = bench.open();
  reader.willRead(0, REGION_BYTES);
  for (let round = 0; round < 40; round++) reader.willRead(5 * REGION_BYTES, 1);
  for (let at = 0; at < REGION_BYTES; at += 131_072) await readAt(reader, at, 131_072);
  t.ok(bench.pool.count('unpack') > 2, 'what the first said is forgotten: the reads themselves show it');
});

t.test('a random reader has nothing decoded ahead, and the same chunk read once', async (t) => {
  const content = new Random(2).bytes(4 * REGION_BYTES);
  const bench = await openBench(t, content);
  const reader = bench.open();
  for (const region of [3, 0, 2, 1, 3]) await readAt(reader, region * REGION_BYTES + 2_000_000, 4096);
  t.equal(bench.pool.count('unpack'), 0);
  let reads = 0;
  const counting = {
    ...bench.context,
    reader: countingReader(bench.store, () => reads++),
    chunks: new ByteCache<Uint8Array>(1024),
  };
  const fresh = new TreeVolumeReader(counting, bench.volume, () => undefined);
  await Promise.all(Array.from({ length: 10 }, () => readAt(fresh, 100, 100)));
  t.equal(reads, 1);
});

function countingReader(store: Store, onChunk: () => void): ReadContext['reader'] {
  const { reader } = store;
  return {
    read(type, digest) {
      if (type === ObjectType.chunk) onChunk();
      return reader.read(type, digest);
    },
    has: (type, digests) => reader.has(type, digests),
    readFrames: (type, digests) => reader.readFrames(type, digests),
    reportDamage: (type, digest, reason) => reader.reportDamage(type, digest, reason),
  };
}

for (const how of ['flip', 'delete'] as const) {
  t.test(`a damaged chunk (${how}) fails exactly the reads that touch it, and is named`, async (t) => {
    const random = new Random(testSeed(t));
    const content = random.bytes(3 * REGION_BYTES);
    const bench = await openBench(t, content);
    const chunks = await chunksOf(bench.store, bench.volume);
    const damaged = chunks[random.below(chunks.length)];
    if (damaged === undefined) return;
    await damageObject(bench.store, ObjectType.chunk, damaged.chunk.digest, how);
    const start = damaged.region * REGION_BYTES + damaged.chunk.firstBlock * BLOCK_BYTES;
    const end = start + damaged.chunk.blocks * BLOCK_BYTES;
    const check = async (reader: TreeVolumeReader, offset: number, length: number): Promise<void> => {
      const bytes = readAt(reader, offset, length);
      if (offset < end && offset + length > start) {
        await t.rejects(bytes, { code: 'STORE_DAMAGED', message: new RegExp(toHex(damaged.chunk.digest)) });
      } else if (!(await bytes).equals(content.subarray(offset, offset + length))) t.fail(`at ${offset}`);
    };
    const scattered = bench.open();
    for (const offset of [start - 4096, start - 1, end - 1, end])
      if (offset >= 0 && offset < content.length) await check(scattered, offset, 1);
    for (let round = 0; round < 50; round++) await check(scattered, random.below(content.length - 9000), 9000);
    const sequential = bench.open();
    for (let at = 0; at < content.length; at += 65536) await check(sequential, at, 65536);
  });
}

t.test('a damaged leaf fails the reads of its region only', async (t) => {
  const content = new Random(3).bytes(3 * REGION_BYTES);
  const bench = await openBench(t, content);
  const leaf = await new TreeReader(bench.store.reader, bench.volume).leafDigest(1);
  await damageObject(bench.store, ObjectType.leaf, leaf ?? new Uint8Array());
  const reader = bench.open();
  for (const offset of [0, 2 * REGION_BYTES])
    t.ok((await readAt(reader, offset, 5000)).equals(content.subarray(offset, offset + 5000)));
  for (const offset of [REGION_BYTES - 1, REGION_BYTES, 2 * REGION_BYTES - 1]) {
    await t.rejects(readAt(reader, offset, 2), {
      code: 'STORE_DAMAGED',
      message: new RegExp(toHex(leaf ?? new Uint8Array())),
    });
  }
});

t.test('closing says so once', async (t) => {
  let closed = 0;
  const reader = (await openBench(t, Buffer.alloc(1))).open(() => closed++);
  await reader.close();
  await reader.close();
  t.equal(closed, 1);
});
