import t from 'tap';

import { digestOf, sameBytes } from '../../../src/codec/digest.js';
import { ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { readFrameHeader } from '../../../src/codec/frame.js';
import { volumePieces, type VolumePiece } from '../../../src/restore/volume-pieces.js';
import { encodeLeaf } from '../../../src/tree/node.js';
import { TreeBuilder } from '../../../src/tree/tree-builder.js';
import { TreeReader, type TreeRoot } from '../../../src/tree/tree-reader.js';
import { openMemoryStore, type MemoryStore } from '../../kit/memory-store.js';

/** A tree with data in some regions, and the digests of its inner nodes in the order they were made. */
async function buildTree(
  { store }: MemoryStore,
  sizeBytes: number,
  regions: readonly number[],
): Promise<{ tree: TreeRoot; nodes: Uint8Array[] }> {
  const session = store.openSession();
  const nodes: Uint8Array[] = [];
  const builder = new TreeBuilder(Math.ceil(sizeBytes / REGION_BYTES), async (type, node) => {
    const { digest } = await session.addPlain(type, node);
    nodes.push(digest);
    return digest;
  });
  for (const region of regions) {
    const leaf = encodeLeaf([
      { firstBlock: region % 1024, blocks: 1, digest: digestOf(Buffer.from(`chunk ${region}`)) },
    ]);
    await builder.add(region, (await session.addPlain(ObjectType.leaf, leaf)).digest);
  }
  const root = await builder.finish();
  await session.barrier();
  session.end();
  return { tree: { root, sizeBytes }, nodes };
}

/** The pieces as text: kind and regions. */
async function piecesOf({ store }: MemoryStore, tree: TreeRoot): Promise<string[]> {
  const pieces: VolumePiece[] = [];
  for await (const piece of volumePieces(new TreeReader(store.reader, tree), tree.sizeBytes)) pieces.push(piece);
  return pieces.map(({ kind, offset, length }) => `${kind} ${offset / REGION_BYTES}+${length / REGION_BYTES}`);
}

/** Take inner nodes out of the store: cut their frames short. */
async function damage({ store, objects }: MemoryStore, digests: readonly Uint8Array[]): Promise<void> {
  for (const digest of digests) {
    for await (const [key, frame] of objects.entries()) {
      if (frame.length <= 60 || !sameBytes(readFrameHeader(frame).digest, digest)) continue;
      await objects.write([{ type: 'put', key, value: frame.subarray(0, 60) }], { sync: false });
      await store.reader.reportDamage(ObjectType.inner, digest, 'cut short');
      break;
    }
  }
}

t.test('holes and data without gaps', async (t) => {
  const memory = await openMemoryStore(t);
  const { tree } = await buildTree(memory, 2.5 * REGION_BYTES, [1, 2]);
  t.same(await piecesOf(memory, tree), ['hole 0+1', 'data 1+1', 'data 2+0.5']);
  t.same(await piecesOf(memory, { root: new Uint8Array(32), sizeBytes: 3 * REGION_BYTES }), ['hole 0+3']);
  t.same(await piecesOf(memory, { root: new Uint8Array(32), sizeBytes: 0 }), []);
});

t.test('it goes on behind damaged nodes', async (t) => {
  const memory = await openMemoryStore(t);
  const { tree, nodes } = await buildTree(memory, 1200 * REGION_BYTES, [3, 300, 600, 1100]);
  t.equal(nodes.length, 5, 'a node for each 256 regions with data, and the root');
  t.same(await piecesOf(memory, tree), [
    ...['hole 0+3', 'data 3+1', 'hole 4+296', 'data 300+1', 'hole 301+299', 'data 600+1'],
    ...['hole 601+499', 'data 1100+1', 'hole 1101+99'],
  ]);
  await damage(memory, nodes.slice(1, 4));
  t.same(await piecesOf(memory, tree), [
    'hole 0+3',
    'data 3+1',
    'hole 4+252',
    'damaged 256+512',
    'hole 768+256',
    'damaged 1024+176',
  ]);
  await damage(memory, nodes.slice(4));
  t.same(await piecesOf(memory, tree), ['damaged 0+1200'], 'nothing is left without the root');
});
