import t from 'tap';
import { EMPTY_DIGEST, toHex } from '../../../src/codec/digest.js';
import { ObjectType } from '../../../src/codec/formats.js';
import { encodeInner, encodeLeaf } from '../../../src/tree/node.js';
import { TreeBuilder } from '../../../src/tree/tree-builder.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { leafDigest, MemoryNodes } from '../../kit/memory-nodes.js';
import { Random, testSeed } from '../../kit/random.js';

const MIB = 1024 * 1024;

t.test('reads what was built, sparse volumes of all heights', async (t) => {
  const random = new Random(testSeed(t));
  for (const regions of [1, 2, 255, 256, 257, 1000, 65536, 65537, 300_000, 2 ** 31]) {
    const model = new Map<number, Uint8Array>();
    for (let count = random.between(0, 40); count > 0; count--)
      model.set(random.below(regions), leafDigest(random.below(9)));
    if (random.chance(0.5)) model.set(regions - 1, leafDigest(10));
    const memory = new MemoryNodes();
    const tree = new TreeReader(memory, await memory.build(regions, model));
    const expected = [...model].sort(([a], [b]) => a - b).map(([region, leaf]) => `${region} ${toHex(leaf)}`);
    const leaves: string[] = [];
    for await (const { region, leaf } of tree.leaves()) leaves.push(`${region} ${toHex(leaf)}`);
    t.same(leaves, expected, `${regions} regions`);
    for (const region of [...model.keys(), 0, regions - 1, random.below(regions)]) {
      t.equal(toHex((await tree.leafDigest(region)) ?? EMPTY_DIGEST), toHex(model.get(region) ?? EMPTY_DIGEST));
    }
    t.equal(await tree.leafDigest(regions), undefined, 'nothing is behind the end');
    const first = random.below(regions);
    const rest: number[] = [];
    for await (const { region } of tree.leaves(first)) rest.push(region);
    t.same(
      rest,
      [...model.keys()].filter((region) => region >= first).sort((a, b) => a - b),
      `from region ${first}`,
    );
  }
});

t.test('leaves are walked without nodes that lie before the first', async (t) => {
  const memory = new MemoryNodes();
  const model = new Map(Array.from({ length: 20 }, (_, index) => [index * 256, leafDigest(index)]));
  const tree = new TreeReader(memory, await memory.build(20 * 256, model));
  for await (const { region } of tree.leaves(18 * 256)) t.ok(region >= 18 * 256);
  t.equal(memory.reads, 3);
});

t.test('whoever asks for regions in order has each node read once', async (t) => {
  const memory = new MemoryNodes();
  const model = new Map(Array.from({ length: 40 }, (_, index) => [index * 100, leafDigest(index)]));
  const root = await memory.build(4000, model);
  const tree = new TreeReader(memory, root);
  const found = new Map<number, Uint8Array>();
  for (let region = 0; region < 4000; region++) {
    const leaf = await tree.leafDigest(region);
    if (leaf !== undefined) found.set(region, Uint8Array.from(leaf));
  }
  t.same(found, model);
  t.equal(memory.reads, 1 + Math.ceil(4000 / 256));
  memory.reads = 0;
  const builder = new TreeBuilder(
    4000,
    (type, node) => Promise.resolve(memory.put(type, node)),
    new TreeReader(memory, root),
  );
  for (const region of [300, 700, 3900]) await builder.add(region, leafDigest(50));
  t.notSame(await builder.finish(), root.root);
  t.equal(memory.reads, 1 + 3, 'the regions beside those that changed are all of the same nodes');
});

t.test('the chunks of a region', async (t) => {
  const memory = new MemoryNodes();
  const chunks = [{ firstBlock: 3, blocks: 9, digest: Buffer.from(leafDigest(5)) }];
  const leaf = memory.put(ObjectType.leaf, encodeLeaf(chunks));
  const tree = new TreeReader(memory, await memory.build(300, new Map([[299, leaf]])));
  t.same(await tree.chunks(299), chunks);
  t.same(await tree.chunks(0), []);
  const empty = new TreeReader(memory, { root: EMPTY_DIGEST, sizeBytes: 100 * MIB });
  t.same(await empty.chunks(24), []);
  for await (const leaf of empty.leaves()) t.fail(`a leaf in an empty volume: ${leaf.region}`);
});

t.test('a missing node, one of a wrong level and a leaf that is none are damage', async (t) => {
  const memory = new MemoryNodes();
  const missing = new TreeReader(memory, { root: leafDigest(1), sizeBytes: 100 * MIB });
  await t.rejects(missing.leafDigest(3), { code: 'STORE_DAMAGED', message: new RegExp(toHex(leafDigest(1))) });
  await t.rejects(missing.leaves().next(), { code: 'STORE_DAMAGED' });
  const root = memory.put(ObjectType.inner, encodeInner(2, [leafDigest(1)]));
  await t.rejects(new TreeReader(memory, { root, sizeBytes: 100 * MIB }).leafDigest(3), { code: 'STORE_DAMAGED' });
  const leaf = memory.put(ObjectType.leaf, Buffer.from('no leaf'));
  await t.rejects(new TreeReader(memory, { root: leaf, sizeBytes: MIB }).chunks(0), { code: 'STORE_DAMAGED' });
});
