import t from 'tap';
import { RegionDigests } from '../../../agent/send/region-digests.js';
import { EMPTY_DIGEST, toHex } from '../../../src/codec/digest.js';
import { leafDigest } from '../../kit/memory-nodes.js';
import { Random, testSeed } from '../../kit/random.js';

t.test('is as a map of regions to digests, also when read again', async (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 20; round++) {
    const limit = random.between(1, 100_000);
    const model = new Map<number, Uint8Array>();
    const digests = new RegionDigests();
    for (let count = random.between(0, 60); count > 0; count--) {
      const region = random.below(limit);
      const leaf = random.chance(0.2) ? undefined : leafDigest(random.below(1000));
      digests.set(region, leaf);
      if (leaf === undefined) model.delete(region);
      else model.set(region, leaf);
    }
    const read = RegionDigests.decode(digests.encode());
    const from = random.below(limit);
    const end = random.between(from, limit);
    for (const one of [digests, read]) {
      t.same(
        [...(one?.regions(from, end) ?? [])],
        [...model.keys()].filter((region) => region >= from && region < end).sort((a, b) => a - b),
      );
      const asked = [...model.keys(), 0, limit];
      t.same(
        asked.map((region) => toHex(one?.get(region) ?? new Uint8Array())),
        asked.map((region) => toHex(model.get(region) ?? EMPTY_DIGEST)),
      );
    }
  }
});

t.test('takes the room of what there is, wherever it lies', async (t) => {
  const digests = new RegionDigests();
  digests.set(2 ** 31, leafDigest(1));
  digests.set(5, leafDigest(2));
  digests.set(900, undefined);
  t.equal(digests.encode().length, 2 * (4 + 256 * 32));
  t.same([...digests.regions(0, 6)], [5]);
});

t.test('what is no such thing is none', async (t) => {
  t.equal(RegionDigests.decode(Buffer.alloc(5)), undefined);
  t.ok(RegionDigests.decode(Buffer.alloc(0)));
});
