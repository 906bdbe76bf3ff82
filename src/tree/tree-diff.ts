import { FANOUT, ObjectType } from '../codec/formats.js';
import { isEmptyDigest, sameBytes } from '../codec/digest.js';
import type { ObjectReader } from '../store/object-reader.js';
import { decodeInner, regionCount, regionsBelow, treeHeight } from './node.js';
import type { TreeRoot } from './tree-reader.js';

/** A region that differs; a side is undefined where the region is empty or does not exist. */
export interface RegionDifference {
  readonly region: number;
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
}

interface Side {
  readonly digest: Uint8Array | undefined;
  /** Level of the node that `digest` names. */
  readonly level: number;
}

/**
 * Compare two volume trees, walking only where digests differ. Trees of different heights (volumes of very different
 * size) are compared as if the lower one were the first child of empty nodes above it.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function* diffTrees(reader: ObjectReader, from: TreeRoot, to: TreeRoot): AsyncGenerator<RegionDifference> {
  const level = Math.max(heightOf(from), heightOf(to));
  yield* walk(reader, sideOf(from), sideOf(to), level, 0);
}

async function* walk(
  reader: ObjectReader,
  from: Side,
  to: Side,
  level: number,
  first: number,
): AsyncGenerator<RegionDifference> {
  if (same(from, to)) return;
  if (level === 0) {
    yield { region: first, from: from.digest, to: to.digest };
    return;
  }
  const left = await childrenAt(reader, from, level);
  const right = await childrenAt(reader, to, level);
  const below = regionsBelow(level - 1);
  for (let index = 0; index < FANOUT; index++) {
    const a = left[index] ?? NOTHING;
    const b = right[index] ?? NOTHING;
    if (a.digest !== undefined || b.digest !== undefined) yield* walk(reader, a, b, level - 1, first + index * below);
  }
}

const NOTHING: Side = { digest: undefined, level: 0 };

async function childrenAt(reader: ObjectReader, side: Side, level: number): Promise<readonly Side[]> {
  if (side.digest === undefined) return [];
  if (side.level < level) return [side];
  const children = decodeInner(await reader.read(ObjectType.inner, side.digest), level);
  return children.map((digest) => ({ digest, level: level - 1 }));
}

function same(a: Side, b: Side): boolean {
  if (a.digest === undefined || b.digest === undefined) return a.digest === b.digest;
  return a.level === b.level && sameBytes(a.digest, b.digest);
}

function sideOf(tree: TreeRoot): Side {
  return { digest: isEmptyDigest(tree.root) ? undefined : tree.root, level: heightOf(tree) };
}

function heightOf(tree: TreeRoot): number {
  return treeHeight(regionCount(tree.sizeBytes));
}
