import type { ObjectType } from '../../src/codec/formats.js';
import { UmbraError } from '../../src/common/errors.js';
import { objectKey } from '../../src/store/keys.js';
import { findSequences } from '../../src/store/object-index.js';
import type { Store } from '../../src/store/store.js';
import { TreeReader, type TreeRoot } from '../../src/tree/tree-reader.js';
import type { ChunkRef } from '../../src/tree/node.js';

/** Flip a bit of a stored object, or delete its record; its index entry stays. */
export async function damageObject(
  store: Store,
  type: ObjectType,
  digest: Uint8Array,
  how: 'flip' | 'delete' = 'flip',
): Promise<void> {
  const { objects, meta } = store.objectStore;
  const [sequence] = await findSequences(meta, type, [digest]);
  const key = objectKey(sequence ?? -1);
  const frame = await objects.get(key);
  if (frame === undefined) throw new UmbraError('INTERNAL', 'there is no such object to damage');
  const middle = frame.length >>> 1;
  frame[middle] = (frame[middle] ?? 0) ^ 1;
  await objects.write([how === 'flip' ? { type: 'put', key, value: frame } : { type: 'del', key }], { sync: true });
}

/** All chunks of a volume with their regions. */
export async function chunksOf(
  store: Store,
  tree: TreeRoot,
): Promise<{ readonly region: number; readonly chunk: ChunkRef }[]> {
  const reader = new TreeReader(store.reader, tree);
  const found: { region: number; chunk: ChunkRef }[] = [];
  for await (const { region, leaf } of reader.leaves()) {
    for (const chunk of await reader.chunksOfLeaf(leaf)) found.push({ region, chunk });
  }
  return found;
}
