import type { Budget } from '../../blocks/budget.js';
import type { Mapping } from './extent-record.js';

/** A stretch without blocks: zeros. */
export interface Gap {
  readonly start: number;
  /** In blocks; Infinity after the last extent. */
  readonly count: number;
}

export type Piece = Mapping | Gap;

export function isMapping(piece: Piece): piece is Mapping {
  return 'block' in piece;
}

/** Says where the blocks of a fork stand. */
export interface ExtentMap {
  /**
   * The extent or hole that a block lies in; at once if it is in memory.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  find(block: number): Piece | Promise<Piece>;
}

/** How many mappings one call looks at, at most: 2^32 and more are possible, and nobody waits for them. */
export const MOST_PIECES = 64 * 1024 * 1024;

/** Walk from a block on: all extents, without the holes, until `end`. */
export async function* mappings(map: ExtentMap, start: number, end: number, budget: Budget): AsyncGenerator<Mapping> {
  for (let block = start; block < end;) {
    budget.spend();
    const found = map.find(block);
    const piece = found instanceof Promise ? await found : found;
    if (isMapping(piece)) yield piece;
    block = piece.start + piece.count;
  }
}
