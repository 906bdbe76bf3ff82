import { BLOCK_BYTES } from './formats.js';
import { xxh64 } from './xxhash.js';

/**
 * Where regions are cut into chunks; part of the store's format record, and never changed in a store. A chunk ends after a block whose hash
 * has so many low bits zero, and is the highest of so many blocks before and behind it.
 */
export interface CuttingSettings {
  /** Random for each store, so that chunk lengths tell an outsider little. */
  readonly seed: bigint;
  /** Alone, 4 gives 16 blocks on average. Stores of format 1 are cut by it. */
  readonly zeroBits: number;
  /** Alone, 7 gives 15 blocks on average, and 8 at least. Stores of format 2 are cut by it. */
  readonly window: number;
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
 *
 * That a hash is the highest around makes lengths vary less than that it is low by itself: of chunks of the same number, those that a change
 * lies in are shorter.
 */
export function cutRegion(region: Buffer, settings: CuttingSettings): Cut[] {
  const hashes = hashBlocks(region, settings.seed);
  const cuts: Cut[] = [];
  let first = 0;
  const endChunk = (end: number): void => {
    if (end > first) cuts.push({ firstBlock: first, blocks: end - first });
  };
  for (let block = 0; block < hashes.length; block++) {
    if (hashes[block] === HOLE) {
      endChunk(block);
      first = block + 1;
    } else if (block + 1 - first >= settings.maxBlocks || endsChunk(hashes, block, settings)) {
      endChunk(block + 1);
      first = block + 1;
    }
  }
  endChunk(hashes.length);
  return cuts;
}

const HOLE = -1;
/** As many bits of a hash as a number holds. */
const HASH_BITS = 53;

function hashBlocks(region: Buffer, seed: bigint): Float64Array {
  const hashes = new Float64Array(region.length / BLOCK_BYTES);
  for (let block = 0; block < hashes.length; block++) {
    const offset = block * BLOCK_BYTES;
    hashes[block] = isZeroBlock(region, offset)
      ? HOLE
      : Number(BigInt.asUintN(HASH_BITS, xxh64(region.subarray(offset, offset + BLOCK_BYTES), seed)));
  }
  return hashes;
}

/** Whether the content around a block, that is no hole, says that a chunk ends after it. Near a hole it says nothing: of equal blocks it is the first. */
function endsChunk(hashes: Float64Array, block: number, { zeroBits, window }: CuttingSettings): boolean {
  const hash = hashes[block] ?? HOLE;
  if (hash % 2 ** zeroBits !== 0 || block < window || block + window >= hashes.length) return false;
  for (let distance = 1; distance <= window; distance++) {
    const before = hashes[block - distance] ?? HOLE;
    const behind = hashes[block + distance] ?? HOLE;
    if (before === HOLE || behind === HOLE || before >= hash || behind > hash) return false;
  }
  return true;
}
