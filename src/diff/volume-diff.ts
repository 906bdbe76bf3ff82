import { BLOCK_BYTES, REGION_BYTES } from '../codec/formats.js';
import type { ObjectReader } from '../store/object-reader.js';
import { unpackRegion } from '../tree/chunk-batch.js';
import type { ChunkRef } from '../tree/node.js';
import { diffTrees, type RegionDifference } from '../tree/tree-diff.js';
import { TreeReader, type TreeRoot } from '../tree/tree-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import { changedBlocks, runsWhere, touches, type BlockRun } from './changed-blocks.js';
import { RangeList } from './range-list.js';

export interface VolumeDiffOptions {
  readonly reader: ObjectReader;
  readonly pool: WorkerPool;
  readonly from: TreeRoot;
  readonly to: TreeRoot;
  /** Read the changed chunks and keep only blocks that differ. */
  readonly exact: boolean;
  readonly signal: AbortSignal;
  /** Called with the byte up to which the volumes were compared. */
  readonly onPassed: (position: number) => void;
}

/**
 * Where two volumes differ, from their trees. A volume that ends is compared as if zeros followed: so what one has behind
 * the end of the other counts where it is data.
 *
 * @throws {UmbraError} STORE_DAMAGED, STORE_FAILED, CANCELLED
 */
export async function diffVolumes(options: VolumeDiffOptions): Promise<RangeList> {
  const { reader, from, to, exact, signal, onPassed } = options;
  const sizeBytes = Math.max(from.sizeBytes, to.sizeBytes);
  const sides: Sides = { from: new TreeReader(reader, from), to: new TreeReader(reader, to) };
  const compare = exact ? exactComparison(options) : undefined;
  const list = new RangeList();
  for await (const difference of diffTrees(reader, from, to)) {
    signal.throwIfAborted();
    const chunks = await chunksOf(sides, difference);
    const changed = changedBlocks(chunks.from, chunks.to);
    const runs = compare === undefined ? changed : await compare(chunks, changed);
    const start = difference.region * REGION_BYTES;
    for (const { firstBlock, blocks } of runs) {
      const offset = start + firstBlock * BLOCK_BYTES;
      list.add(offset, Math.min(offset + blocks * BLOCK_BYTES, sizeBytes) - offset);
    }
    onPassed(Math.min(start + REGION_BYTES, sizeBytes));
  }
  return list;
}

interface Sides {
  readonly from: TreeReader;
  readonly to: TreeReader;
}

interface ChunkLists {
  readonly from: readonly ChunkRef[];
  readonly to: readonly ChunkRef[];
}

async function chunksOf(sides: Sides, difference: RegionDifference): Promise<ChunkLists> {
  const { from, to } = difference;
  return {
    from: from === undefined ? [] : await sides.from.chunksOfLeaf(from),
    to: to === undefined ? [] : await sides.to.chunksOfLeaf(to),
  };
}

/** Narrows changed blocks of a region to those whose bytes differ; both sides of one region are in memory at a time. */
function exactComparison({
  reader,
  pool,
}: VolumeDiffOptions): (chunks: ChunkLists, changed: readonly BlockRun[]) => Promise<BlockRun[]> {
  const left = new SharedArrayBuffer(REGION_BYTES);
  const right = new SharedArrayBuffer(REGION_BYTES);
  return async (chunks, changed) => {
    const reads = [
      unpackRegion(reader, pool, chunksIn(chunks.from, changed), { region: left }),
      unpackRegion(reader, pool, chunksIn(chunks.to, changed), { region: right }),
    ];
    // Both have ended when one fails: the memory is used again.
    await Promise.allSettled(reads);
    await Promise.all(reads);
    const a = Buffer.from(left);
    const b = Buffer.from(right);
    return changed.flatMap(({ firstBlock, blocks }) =>
      runsWhere(firstBlock, firstBlock + blocks, (block) => {
        const start = block * BLOCK_BYTES;
        return a.compare(b, start, start + BLOCK_BYTES, start, start + BLOCK_BYTES) !== 0;
      }),
    );
  };
}

function chunksIn(chunks: readonly ChunkRef[], runs: readonly BlockRun[]): ChunkRef[] {
  return chunks.filter((chunk) => touches(chunk, runs));
}
