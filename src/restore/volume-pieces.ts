import { FANOUT, REGION_BYTES } from '../codec/formats.js';
import { isUmbraError } from '../common/errors.js';
import type { TreeReader } from '../tree/tree-reader.js';

/** A part of a volume, in whole regions: `[offset, offset + length)` in bytes, not past the volume's end. */
export interface VolumePiece {
  readonly offset: number;
  readonly length: number;
  /** `data`: one region with data; `hole`: regions without any; `damaged`: regions of which the tree is lost. */
  readonly kind: 'data' | 'hole' | 'damaged';
  /** Digest of the leaf, for `data`. */
  readonly leaf?: Uint8Array;
}

/**
 * The whole volume in pieces, in order and without gaps. Where nodes of the tree are damaged, the walk goes on behind
 * what they describe.
 */
export async function* volumePieces(tree: TreeReader, sizeBytes: number): AsyncGenerator<VolumePiece> {
  let next = 0;
  while (next < tree.regions) {
    try {
      for await (const { region, leaf } of tree.leaves(next)) {
        if (region >= tree.regions) break;
        if (region > next) yield piece('hole', next, region, sizeBytes);
        next = region + 1;
        yield { ...piece('data', region, next, sizeBytes), leaf };
      }
      if (next < tree.regions) yield piece('hole', next, tree.regions, sizeBytes);
      return;
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      const { first, end } = await findUnreadable(tree, next);
      // The node could be read when it was looked at again: nobody knows what was left out.
      if (first >= tree.regions) throw error;
      if (first > next) yield piece('hole', next, first, sizeBytes);
      yield piece('damaged', first, end, sizeBytes);
      next = end;
    }
  }
}

/**
 * The first run of regions from `from` on whose leaves can't be found. A node covers a power of 256 regions, so one
 * look for each 256 is enough; what can be read before the run is empty, or it would have come before the error.
 */
async function findUnreadable(tree: TreeReader, from: number): Promise<{ first: number; end: number }> {
  let first = from;
  while (first < tree.regions && (await isReadable(tree, first))) first = nextGroup(first);
  let end = first;
  while (end < tree.regions && !(await isReadable(tree, end))) end = nextGroup(end);
  return { first, end: Math.min(end, tree.regions) };
}

async function isReadable(tree: TreeReader, region: number): Promise<boolean> {
  try {
    await tree.leafDigest(region);
    return true;
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return false;
    throw error;
  }
}

function nextGroup(region: number): number {
  return (Math.floor(region / FANOUT) + 1) * FANOUT;
}

function piece(kind: VolumePiece['kind'], first: number, end: number, sizeBytes: number): VolumePiece {
  const offset = first * REGION_BYTES;
  return { kind, offset, length: Math.min(end * REGION_BYTES, sizeBytes) - offset };
}
