import { BLOCKS_PER_REGION } from '../codec/formats.js';
import { sameBytes } from '../codec/digest.js';
import type { ChunkRef } from '../tree/node.js';

/** A run of blocks of a region. */
export interface BlockRun {
  readonly firstBlock: number;
  readonly blocks: number;
}

/**
 * The blocks of a region in which two lists of its chunks differ: those that are not covered by the same part of the
 * same chunk, or by no chunk, in both. Nothing is read: a block may have the same content in two different chunks.
 */
export function changedBlocks(from: readonly ChunkRef[], to: readonly ChunkRef[]): BlockRun[] {
  const left = new Cursor(from);
  const right = new Cursor(to);
  return runsWhere(0, BLOCKS_PER_REGION, (block) => !sameBlock(block, left.at(block), right.at(block)));
}

/** The runs of blocks in `[first, end)` for which `test` is true; it is asked once for each, in order. */
export function runsWhere(first: number, end: number, test: (block: number) => boolean): BlockRun[] {
  const runs: BlockRun[] = [];
  let start = -1;
  for (let block = first; block <= end; block++) {
    const chosen = block < end && test(block);
    if (chosen && start < 0) start = block;
    if (chosen || start < 0) continue;
    runs.push({ firstBlock: start, blocks: block - start });
    start = -1;
  }
  return runs;
}

/** True if a chunk has a block in one of the runs, which are in order. */
export function touches(chunk: ChunkRef, runs: readonly BlockRun[]): boolean {
  const end = chunk.firstBlock + chunk.blocks;
  return runs.some((run) => run.firstBlock < end && run.firstBlock + run.blocks > chunk.firstBlock);
}

/** Finds the chunk of a block, for blocks asked for in order. */
class Cursor {
  readonly #chunks: readonly ChunkRef[];
  #index = 0;

  constructor(chunks: readonly ChunkRef[]) {
    this.#chunks = chunks;
  }

  at(block: number): ChunkRef | undefined {
    let chunk = this.#chunks[this.#index];
    while (chunk !== undefined && chunk.firstBlock + chunk.blocks <= block) chunk = this.#chunks[++this.#index];
    return chunk !== undefined && chunk.firstBlock <= block ? chunk : undefined;
  }
}

function sameBlock(block: number, a: ChunkRef | undefined, b: ChunkRef | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return block - a.firstBlock === block - b.firstBlock && sameBytes(a.digest, b.digest);
}
