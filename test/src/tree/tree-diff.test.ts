import t from 'tap';
import { toHex } from '../../../src/codec/digest.js';
import { diffTrees } from '../../../src/tree/tree-diff.js';
import type { TreeRoot } from '../../../src/tree/tree-reader.js';
import { leafDigest, MemoryNodes } from '../../kit/memory-nodes.js';
import { Random, testSeed } from '../../kit/random.js';

const SIZES = [0, 1, 2, 256, 257, 3000, 65536, 65537, 2 ** 26];

async function differences(memory: MemoryNodes, from: TreeRoot, to: TreeRoot): Promise<string[]> {
  const found: string[] = [];
  for await (const { region, from: before, to: after } of diffTrees(memory, from, to))
    found.push(line(region, before, after));
  return found;
}

function line(region: number, from: Uint8Array | undefined, to: Uint8Array | undefined): string {
  return `${region} ${from === undefined ? '-' : toHex(from)} ${to === undefined ? '-' : toHex(to)}`;
}

function randomLeaves(random: Random, regions: number): Map<number, Uint8Array> {
  const leaves = new Map<number, Uint8Array>();
  for (let count = regions === 0 ? 0 : random.below(40); count > 0; count--) {
    // Many near the beginning, so that volumes of different sizes have regions in common.
    leaves.set(random.below(random.chance(0.6) ? Math.min(regions, 300) : regions), leafDigest(random.below(3)));
  }
  return leaves;
}

t.test('volumes of all sizes against a model', async (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 60; round++) {
    const memory = new MemoryNodes();
    const sizes = [SIZES[random.below(SIZES.length)] ?? 0, SIZES[random.below(SIZES.length)] ?? 0] as const;
    const before = randomLeaves(random, sizes[0]);
    const after = random.chance(0.5)
      ? randomLeaves(random, sizes[1])
      : new Map([...before].filter(([region]) => region < sizes[1]));
    if (sizes[1] > 0 && random.chance(0.5)) after.set(random.below(sizes[1]), leafDigest(7));
    const regions = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => a - b);
    const expected = regions
      .map((region) => [region, before.get(region), after.get(region)] as const)
      .filter(([, from, to]) => from === undefined || to === undefined || toHex(from) !== toHex(to))
      .map((difference) => line(...difference));
    const [from, to] = [await memory.build(sizes[0], before), await memory.build(sizes[1], after)];
    t.same(await differences(memory, from, to), expected, `${sizes[0]} and ${sizes[1]} regions`);
  }
});

t.test('equal trees are compared without reading, and others along the changed path only', async (t) => {
  const memory = new MemoryNodes();
  const leaves = new Map(Array.from({ length: 2000 }, (_, region) => [region * 30, leafDigest(region)]));
  const before = await memory.build(65536, leaves);
  t.same(await differences(memory, before, await memory.build(65536, leaves)), []);
  t.equal(memory.reads, 0);
  const after = await memory.build(65536, new Map(leaves).set(33_333, leafDigest(9999)));
  t.same(await differences(memory, before, after), [line(33_333, undefined, leafDigest(9999))]);
  t.equal(memory.reads, 4);
});

t.test('a volume that grew past its height shares its whole old tree', async (t) => {
  const memory = new MemoryNodes();
  const leaves = new Map(Array.from({ length: 256 }, (_, region) => [region, leafDigest(region)]));
  const small = await memory.build(256, leaves);
  const large = await memory.build(70_000, leaves);
  t.same(await differences(memory, small, large), []);
  t.equal(memory.reads, 2, 'only the two levels above it are read');
});

t.test('a missing node is damage', async (t) => {
  const memory = new MemoryNodes();
  const from = await memory.build(300, new Map([[1, leafDigest(1)]]));
  await t.rejects(differences(memory, from, { root: leafDigest(2), sizeBytes: from.sizeBytes }), {
    code: 'STORE_DAMAGED',
  });
});
