import { BLOCK_BYTES } from './formats.js';
import { xxh64 } from './xxhash.js';

/** Where regions are cut into chunks; part of the store's format record, and never changed in a store. */
export interface CuttingSettings {
  /** Random for each store, so that chunk lengths tell an outsider little. */
  readonly seed: bigint;
  /** A chunk ends after a block whose hash has so many low bits zero: 4 gives 16 blocks on average. */
  readonly zeroBits: number;
  /** A chunk has at most so many blocks. */
  readonly maxBlocks: number;
}

/** A run of blocks of a region. */
export interface Cut {
  readonly firstBlock: number;
  readonly blocks: number;
}

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/** True if the block of `region` at `offset` holds zeros only. */
export function isZeroBlock(region: Buffer, offset: number): boolean {
  return region.compare(ZERO_BLOCK, 0, BLOCK_BYTES, offset, offset + BLOCK_BYTES) === 0;
}

/**
 * Cut a region, whose length is a multiple of the block size, into chunks: after a block whose hash says so,
 * before a hole, and at the longest length. Zero blocks are in no chunk.
 *
 * Boundaries depend on the content only, in whole blocks, so equal files are found again wherever they lie
 * on a disk, since filesystems allocate in whole blocks too; and a change disturbs only its own region.
 */
export function cutRegion(region: Buffer, settings: CuttingSettings): Cut[] {
  const mask = (1n << BigInt(settings.zeroBits)) - 1n;
  const cuts: Cut[] = [];
  const blocks = region.length / BLOCK_BYTES;
  let first = 0;
  const endChunk = (end: number): void => {
    if (end > first) cuts.push({ firstBlock: first, blocks: end - first });
  };
  for (let block = 0; block < blocks; block++) {
    const offset = block * BLOCK_BYTES;
    if (isZeroBlock(region, offset)) {
      endChunk(block);
      first = block + 1;
    } else if (
      block + 1 - first >= settings.maxBlocks ||
      (xxh64(region.subarray(offset, offset + BLOCK_BYTES), settings.seed) & mask) === 0n
    ) {
      endChunk(block + 1);
      first = block + 1;
    }
  }
  endChunk(blocks);
  return cuts;
}
