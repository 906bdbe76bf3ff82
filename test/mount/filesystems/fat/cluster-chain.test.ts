import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { ClusterChain } from '../../../../mount/filesystems/fat/cluster-chain.js';
import { ClusterTable } from '../../../../mount/filesystems/fat/cluster-table.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { Random, testSeed } from '../../../kit/random.js';

const END = 0x0fffffff;

/** A FAT32 whose entries are those, from the third on. */
function tableOf(entries: Uint32Array, clusters = entries.length - 2): ClusterTable {
  const bytes = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength);
  const reader = new BlockCache(1024 * 1024).reader(memorySource(bytes));
  return new ClusterTable(reader, { entryBits: 32, mask: END, endFrom: 0x0ffffff8, copies: [0], clusters });
}

/** A table with one chain through all clusters in that order. */
function chained(order: readonly number[]): ClusterTable {
  const entries = new Uint32Array(order.length + 2);
  for (const [place, cluster] of order.entries()) entries[cluster] = order[place + 1] ?? END;
  return tableOf(entries);
}

async function clusterAt(chain: ClusterChain, place: number): Promise<number | undefined> {
  return (await chain.run(place, 1))?.cluster;
}

/** Clusters from 2 on in runs of random lengths and random order. */
function randomOrder(random: Random, count: number, longest: number): number[] {
  const runs: number[][] = [];
  for (let cluster = 2; cluster < count + 2;) {
    const length = Math.min(random.between(1, longest), count + 2 - cluster);
    const start = cluster;
    runs.push(Array.from({ length }, (_, index) => start + index));
    cluster += length;
  }
  const keys = new Map(runs.map((run) => [run, random.fraction()]));
  return runs.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0)).flat();
}

t.test('every place of a chain in pieces is found, in any order of looking', async (t) => {
  const random = new Random(testSeed(t));
  for (const [count, longest] of [
    [50, 4],
    [3000, 40],
    [30_000, 1],
    [60_000, 3],
  ] as const) {
    const order = randomOrder(random, count, longest);
    const chain = new ClusterChain(chained(order), order[0] ?? 0);
    for (let look = 0; look < 2000; look++) {
      const place = random.below(count + 3);
      const most = random.between(1, 100);
      const run = await chain.run(place, most);
      if (place >= count) t.equal(run, undefined);
      else if (!isRight(run, place, most)) t.fail(`place ${place}, no more than ${most}`);
    }
    t.equal(await chain.length(), count);

    function isRight(run: { cluster: number; count: number } | undefined, place: number, most: number): boolean {
      if (run === undefined || run.count < 1 || run.count > most) return false;
      return Array.from({ length: run.count }, (_, index) => run.cluster + index).every(
        (c, index) => order[place + index] === c,
      );
    }
  }
});

t.test('looks at the same time do not disturb one another', async (t) => {
  const random = new Random(testSeed(t));
  const order = randomOrder(random, 40_000, 2);
  const chain = new ClusterChain(chained(order), order[0] ?? 0);
  const places = Array.from({ length: 300 }, () => random.below(order.length));
  const found = await Promise.all(places.map((place) => clusterAt(chain, place)));
  t.same(
    found,
    places.map((place) => order[place]),
  );
});

t.test('a run that is long is known at once', async (t) => {
  const order = Array.from({ length: 1000 }, (_, index) => index + 2);
  const chain = new ClusterChain(chained(order), 2);
  t.same(await chain.run(10, 500), { cluster: 12, count: 500 });
  t.same(chain.run(20, 400), { cluster: 22, count: 400 });
  t.same(await chain.run(10, 5000), { cluster: 12, count: 990 });
  t.same(await chain.run(1000, 1), undefined);
});

t.test('a loop is an error where it begins again, and what is before it can be read', async (t) => {
  const entries = new Uint32Array(102);
  for (let cluster = 2; cluster < 100; cluster++) entries[cluster] = cluster + 1;
  entries[100] = 50;
  const chain = new ClusterChain(tableOf(entries), 2);
  t.equal(await clusterAt(chain, 60), 62);
  await t.rejects(chain.length(), { code: 'FILESYSTEM_DAMAGED', message: /leads back into itself/ });
  t.equal(await clusterAt(chain, 98), 100);
  await t.rejects(async () => chain.run(100_000, 1), { code: 'FILESYSTEM_DAMAGED' });
  const self = new Uint32Array(12);
  self[5] = 5;
  await t.rejects(new ClusterChain(tableOf(self), 5).length(), { message: /leads back into itself after 1 clusters/ });
});

t.test('a chain breaks off at free and bad clusters, at others than there are, and at none', async (t) => {
  for (const next of [0, 1, 0x0ffffff7, 12, 0x0abcdef0]) {
    const entries = new Uint32Array(12);
    entries[2] = 3;
    entries[3] = next;
    const chain = new ClusterChain(tableOf(entries), 2);
    t.equal(await clusterAt(chain, 1), 3);
    await t.rejects(async () => chain.run(2, 1), { code: 'FILESYSTEM_DAMAGED', message: /breaks off after 2/ });
    await t.rejects(chain.length(), { code: 'FILESYSTEM_DAMAGED' });
  }
  for (const first of [0, 1, 12, 0xffffffff]) {
    const chain = new ClusterChain(tableOf(new Uint32Array(12)), first);
    await t.rejects(async () => chain.run(0, 1), { code: 'FILESYSTEM_DAMAGED', message: /breaks off after 0/ });
  }
});

t.test('clusters that follow each other need no table', async (t) => {
  const table = tableOf(new Uint32Array(12));
  const chain = ClusterChain.contiguous(table, 4, 5);
  t.same(await chain.run(1, 100), { cluster: 5, count: 4 });
  t.equal(await chain.run(5, 1), undefined);
  t.equal(await chain.length(), 5);
  const cut = ClusterChain.contiguous(table, 8, 50);
  t.same(await cut.run(0, 100), { cluster: 8, count: 4 });
  await t.rejects(cut.length(), { code: 'FILESYSTEM_DAMAGED' });
  await t.rejects(ClusterChain.contiguous(table, 12, 1).length(), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('a table that is longer than the volume is an error', async (t) => {
  const table = tableOf(new Uint32Array(12), 100_000);
  await t.rejects(async () => table.next(2), { code: 'FILESYSTEM_DAMAGED' });
});
