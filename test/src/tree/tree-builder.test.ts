import t from 'tap';
import { toHex } from '../../../src/codec/digest.js';
import { TreeBuilder } from '../../../src/tree/tree-builder.js';
import { leafDigest, MemoryNodes } from '../../kit/memory-nodes.js';

const EMPTY = '00'.repeat(32);

async function rootOf(regions: number, leaves: readonly number[]): Promise<{ root: string; nodes: number }> {
  const memory = new MemoryNodes();
  const { root } = await memory.build(regions, new Map(leaves.map((region) => [region, leafDigest(region)])));
  return { root: toHex(root), nodes: memory.nodes.size };
}

t.test('an empty volume has the empty root and no nodes, whatever its size', async (t) => {
  for (const regions of [0, 1, 2, 256, 257, 65536, 65537, 2 ** 31]) {
    t.same(await rootOf(regions, []), { root: EMPTY, nodes: 0 }, `${regions} regions`);
  }
});

t.test('the leaf of a volume of one region is its root', async (t) => {
  t.same(await rootOf(1, [0]), { root: toHex(leafDigest(0)), nodes: 0 });
});

t.test('one leaf needs one node of each level above it, wherever it is', async (t) => {
  for (const [regions, nodes] of [
    [2, 1],
    [256, 1],
    [257, 2],
    [65536, 2],
    [65537, 3],
    [2 ** 31, 4],
  ] as const) {
    const roots = new Set<string>();
    for (const region of [0, 1, Math.floor(regions / 2), regions - 1]) {
      const built = await rootOf(regions, [region]);
      t.equal(built.nodes, nodes, `region ${region} of ${regions}`);
      roots.add(built.root);
    }
    t.equal(roots.size, new Set([0, 1, Math.floor(regions / 2), regions - 1]).size, 'each place has a root of its own');
  }
});

t.test('full nodes at the edges of levels', async (t) => {
  const all = [...Array(257).keys()];
  t.equal((await rootOf(256, all.slice(0, 256))).nodes, 1);
  t.equal((await rootOf(257, all)).nodes, 3);
  t.equal((await rootOf(257, all.slice(0, 256))).nodes, 2, 'no node for the empty rest');
});

t.test('empty regions behind the last leaf change the root only with the height', async (t) => {
  const of = async (regions: number): Promise<string> => (await rootOf(regions, [0, 3])).root;
  t.equal(await of(4), await of(256));
  t.not(await of(256), await of(257));
  t.equal(await of(257), await of(65536));
});

t.test('nodes are handed over as soon as they are complete, children before parents', async (t) => {
  const nodes: number[] = [];
  const memory = new MemoryNodes();
  const builder = new TreeBuilder(3 * 256, (type, node) => {
    nodes.push(node[2] ?? 0);
    return Promise.resolve(memory.put(type, node));
  });
  await builder.add(0, leafDigest(0));
  await builder.add(256, leafDigest(1));
  t.same(nodes, [1]);
  await builder.add(600, leafDigest(2));
  t.same(nodes, [1, 1]);
  await builder.finish();
  t.same(nodes, [1, 1, 1, 2]);
});

t.test('a node that cannot be stored fails the build', async (t) => {
  const builder = new TreeBuilder(2, () => Promise.reject(new RangeError('full')));
  await builder.add(1, leafDigest(0));
  await t.rejects(builder.finish(), { message: 'full' });
});
