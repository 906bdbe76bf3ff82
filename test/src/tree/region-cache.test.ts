import t, { type Test } from 'tap';
import { ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import type { ObjectReader } from '../../../src/store/object-reader.js';
import type { Store } from '../../../src/store/store.js';
import type { ChunkRef } from '../../../src/tree/node.js';
import { RegionCache } from '../../../src/tree/region-cache.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { damageObject } from '../../kit/damage.js';
import { openMemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { WatchedPool } from '../../kit/watched-pool.js';

const REGIONS = 9;

interface Region {
  readonly leaf: Uint8Array;
  readonly chunks: readonly ChunkRef[];
  readonly content: Buffer;
}

interface Bench {
  readonly store: Store;
  readonly pool: WatchedPool;
  readonly regions: readonly Region[];
}

function regionAt(bench: Bench, index: number): Region {
  const region = bench.regions[index];
  if (region === undefined) throw new RangeError(`there is no region ${index}`);
  return region;
}

/** A store with regions that each have a few chunks, all of them different. */
async function openBench(t: Test): Promise<Bench> {
  const { store, backUp } = await openMemoryStore(t);
  const content = Buffer.alloc(REGIONS * REGION_BYTES);
  for (let region = 0; region < REGIONS; region++) {
    for (let chunk = 0; chunk < 8; chunk++) {
      const at = region * REGION_BYTES + chunk * 400_000;
      content.fill(`region ${region} chunk ${chunk} `, at, at + 100_000);
    }
  }
  const [volume] = (await backUp({ vda: content })).volumes;
  if (volume === undefined) throw new RangeError('no volume');
  const tree = new TreeReader(store.reader, volume);
  const regions: Region[] = [];
  for await (const { region, leaf } of tree.leaves()) {
    const end = (region + 1) * REGION_BYTES;
    regions.push({
      leaf,
      chunks: await tree.chunksOfLeaf(leaf),
      content: content.subarray(region * REGION_BYTES, end),
    });
  }
  const pool = new WatchedPool(store.format, 2);
  t.teardown(() => pool.close());
  return { store, pool, regions };
}

function openCache({ store, pool }: Bench, reader: ObjectReader = store.reader): RegionCache {
  return new RegionCache({ reader: () => reader, pool: () => pool, maxBytes: 4 * REGION_BYTES });
}

/** `inner`, whose frames come only when `hold` says so. */
function heldReader(inner: ObjectReader, hold: () => Promise<void>): ObjectReader {
  return {
    read: (type, digest) => inner.read(type, digest),
    has: (type, digests) => inner.has(type, digests),
    reportDamage: (type, digest, reason) => inner.reportDamage(type, digest, reason),
    async readFrames(type, digests) {
      await hold();
      return inner.readFrames(type, digests);
    },
  };
}

async function copied(
  cache: RegionCache,
  region: Region,
  from = 0,
  length = REGION_BYTES,
): Promise<Buffer | undefined> {
  const target = Buffer.alloc(length, 0xee);
  return (await cache.copyInto(target, region.leaf, from)) ? target : undefined;
}

t.test('what was fetched is copied, whole and in parts; the rest is not there', async (t) => {
  const bench = await openBench(t);
  const cache = openCache(bench);
  const [first, second] = bench.regions as [Region, Region];
  cache.fetch(first.leaf, first.chunks);
  cache.fetch(first.leaf, first.chunks);
  t.ok((await copied(cache, first))?.equals(first.content));
  t.ok((await copied(cache, first, 99_999, 300_000))?.equals(first.content.subarray(99_999, 399_999)));
  t.equal(await copied(cache, second), undefined);
  t.equal(bench.pool.count('unpack'), 1, 'decoded once');
});

t.test('concurrent readers get right bytes while memory goes from region to region', async (t) => {
  const random = new Random(testSeed(t));
  const bench = await openBench(t);
  const cache = openCache(
    bench,
    heldReader(bench.store.reader, async () => {
      for (let turns = random.below(4); turns > 0; turns--) await new Promise(setImmediate);
    }),
  );
  let hits = 0;
  const readers = Array.from({ length: 8 }, async () => {
    for (let round = 0; round < 60; round++) {
      const region = bench.regions[random.below(REGIONS)];
      if (region === undefined) continue;
      if (random.chance(0.7)) cache.fetch(region.leaf, region.chunks);
      if (random.chance(0.3)) await new Promise(setImmediate);
      const from = random.below(REGION_BYTES - 50_000);
      const copy = await copied(cache, region, from, 50_000);
      if (copy === undefined) continue;
      hits++;
      if (!copy.equals(region.content.subarray(from, from + 50_000))) t.fail('the bytes of another region');
    }
  });
  await Promise.all(readers);
  t.ok(hits > 50, `${hits} copies`);
  const memories = new Set(
    bench.pool.requests.map((request) => (request.op === 'unpack' ? request.region : undefined)),
  );
  t.ok(bench.pool.count('unpack') > REGIONS, 'regions were evicted and decoded again');
  t.ok(memories.size <= 4, `${memories.size} regions of memory`);
});

t.test('memory that is decoded into, or waited for, is not given to another region', async (t) => {
  const bench = await openBench(t);
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const cache = openCache(
    bench,
    heldReader(bench.store.reader, () => held),
  );
  for (const region of bench.regions.slice(0, 4)) cache.fetch(region.leaf, region.chunks);
  const waiting = bench.regions.slice(0, 4).map((region) => copied(cache, region));
  const fifth = regionAt(bench, 4);
  cache.fetch(fifth.leaf, fifth.chunks);
  t.equal(await copied(cache, fifth), undefined, 'there was no memory for it');
  release();
  for (const [index, copy] of (await Promise.all(waiting)).entries())
    t.ok(copy?.equals(bench.regions[index]?.content ?? Buffer.alloc(0)));
  cache.fetch(fifth.leaf, fifth.chunks);
  t.ok((await copied(cache, fifth))?.equals(fifth.content), 'now there is');
  t.equal(await copied(cache, regionAt(bench, 0)), undefined, 'that of the one used longest ago');
});

t.test('a reader that waits between decoding and copying is not overtaken by an eviction', async (t) => {
  const bench = await openBench(t);
  const cache = openCache(bench);
  const [first, ...others] = bench.regions as [Region, ...Region[]];
  cache.fetch(first.leaf, first.chunks);
  await copied(cache, first, 0, 1);
  const late = copied(cache, first);
  // In the same turn, before the copy is made: everything else wants memory.
  for (const region of others) cache.fetch(region.leaf, region.chunks);
  t.ok((await late)?.equals(first.content));
});

t.test('a damaged region is not there; its memory serves others, and once healed it is decoded', async (t) => {
  const bench = await openBench(t);
  const cache = openCache(bench);
  const damaged = regionAt(bench, 0);
  const frames = await bench.store.reader.readFrames(ObjectType.chunk, [damaged.chunks[3]?.digest ?? new Uint8Array()]);
  await damageObject(bench.store, ObjectType.chunk, damaged.chunks[3]?.digest ?? new Uint8Array());
  for (let round = 0; round < 10; round++) {
    cache.fetch(damaged.leaf, damaged.chunks);
    t.equal(await copied(cache, damaged), undefined);
  }
  for (const region of bench.regions.slice(1, 5)) cache.fetch(region.leaf, region.chunks);
  for (const region of bench.regions.slice(1, 5)) t.ok((await copied(cache, region))?.equals(region.content));
  t.ok('frame' in (frames[0] ?? {}), 'it was there before');
  t.ok(bench.store.objectStore.hasDamage, 'the store knows');
});

t.test('workers that fail leave no region, no unhandled error and no lost memory', async (t) => {
  const bench = await openBench(t);
  let broken = true;
  const cache = new RegionCache({
    reader: () => bench.store.reader,
    pool() {
      if (broken) throw new TypeError('no workers');
      return bench.pool;
    },
    maxBytes: 4 * REGION_BYTES,
  });
  const [first] = bench.regions as [Region];
  for (let round = 0; round < 6; round++) {
    cache.fetch(first.leaf, first.chunks);
    t.equal(await copied(cache, first), undefined);
  }
  broken = false;
  cache.fetch(first.leaf, first.chunks);
  t.ok((await copied(cache, first))?.equals(first.content));
});
