import { BLOCK_BYTES, BLOCKS_PER_REGION } from '../../src/codec/formats.js';
import { isZeroBlock } from '../../src/codec/cutting.js';
import { UmbraError } from '../../src/common/errors.js';
import type { BodyMemory } from '../../src/protocol/body-memory.js';
import type { ChangedRange, CheckpointVolume } from '../trackers/tracker.js';

/** The changed blocks of one region. */
export interface ChangedRegion {
  readonly region: number;
  /** In order; runs of the same kind that touch are one. */
  readonly runs: readonly BlockRun[];
}

export interface BlockRun {
  readonly first: number;
  readonly blocks: number;
  /** Known to be zeros. */
  readonly isZero: boolean;
}

/** Blocks of a region as they are sent: pairs of first block and number, and the data. */
export interface RegionBlocks {
  readonly region: number;
  readonly data: readonly number[];
  readonly zeros: readonly number[];
  readonly body: Buffer;
  /** What was read, as it was taken from the memory of bodies; `body` may lie in it. */
  readonly read: Buffer;
}

/**
 * The changed regions of a volume, in order. A block that changed in part counts as changed; one that is zeros only in part
 * is read.
 * @throws {UmbraError} IMAGE_FAILED for changes that overlap, go back, or leave the volume
 */
export async function* changedRegions(volume: CheckpointVolume): AsyncGenerator<ChangedRegion> {
  let region = -1;
  let runs: BlockRun[] = [];
  for await (const run of blockRuns(volume)) {
    for (let { first, blocks } = run; blocks > 0;) {
      const index = Math.floor(first / BLOCKS_PER_REGION);
      if (index !== region && runs.length > 0) {
        yield { region, runs };
        runs = [];
      }
      region = index;
      const start = first - index * BLOCKS_PER_REGION;
      const count = Math.min(blocks, BLOCKS_PER_REGION - start);
      addRun(runs, { first: start, blocks: count, isZero: run.isZero });
      first += count;
      blocks -= count;
    }
  }
  if (runs.length > 0) yield { region, runs };
}

/**
 * Changed regions, and those that the server wants as they are: they are sent whole, changed or not. Both in order.
 * @param wanted numbers of regions
 */
export async function* withWanted(
  changed: AsyncIterable<ChangedRegion>,
  wanted: readonly number[],
  sizeBytes: number,
): AsyncGenerator<ChangedRegion> {
  let next = 0;
  for await (const region of changed) {
    for (let one = wanted[next]; one !== undefined && one < region.region; one = wanted[++next])
      yield wholeRegion(one, sizeBytes);
    if (wanted[next] === region.region) yield wholeRegion(wanted[next++] ?? 0, sizeBytes);
    else yield region;
  }
  for (const one of wanted.slice(next)) yield wholeRegion(one, sizeBytes);
}

function wholeRegion(region: number, sizeBytes: number): ChangedRegion {
  const left = Math.ceil(sizeBytes / BLOCK_BYTES) - region * BLOCKS_PER_REGION;
  return { region, runs: [{ first: 0, blocks: Math.min(left, BLOCKS_PER_REGION), isZero: false }] };
}

/**
 * Read the changed blocks of a region, all runs at once.
 * @param memory what is read is taken from it
 * @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED
 */
export async function readChanged(
  volume: CheckpointVolume,
  { region, runs }: ChangedRegion,
  memory: BodyMemory,
): Promise<RegionBlocks> {
  const toRead = runs.filter(({ isZero }) => !isZero);
  const bytes = memory.take(toRead.reduce((sum, { blocks }) => sum + blocks, 0) * BLOCK_BYTES);
  const start = region * BLOCKS_PER_REGION * BLOCK_BYTES;
  let at = 0;
  const reads = toRead.map(({ first, blocks }) => {
    const offset = start + first * BLOCK_BYTES;
    const length = Math.min(blocks * BLOCK_BYTES, volume.sizeBytes - offset);
    const target = bytes.subarray(at, at + length);
    // Behind the end of the volume the last block is zeros.
    bytes.fill(0, at + length, at + blocks * BLOCK_BYTES);
    at += blocks * BLOCK_BYTES;
    return volume.read(target, offset);
  });
  // Whoever closes the volume after a failure must find no read under way.
  for (const read of await Promise.allSettled(reads)) if (read.status === 'rejected') throw read.reason;
  return { region, ...withoutZeros(runs, bytes), read: bytes };
}

/** Blocks that turn out to be zeros are not sent. */
function withoutZeros(runs: readonly BlockRun[], bytes: Buffer): Omit<RegionBlocks, 'region' | 'read'> {
  const sorted: BlockRun[] = [];
  const pieces: Buffer[] = [];
  let at = 0;
  for (const run of runs) {
    if (run.isZero) {
      addRun(sorted, run);
      continue;
    }
    for (let block = 0; block < run.blocks; block++, at += BLOCK_BYTES) {
      const isZero = isZeroBlock(bytes, at);
      addRun(sorted, { first: run.first + block, blocks: 1, isZero });
      if (!isZero) pieces.push(bytes.subarray(at, at + BLOCK_BYTES));
    }
  }
  const pairs = (zero: boolean): number[] =>
    sorted.filter(({ isZero }) => isZero === zero).flatMap(({ first, blocks }) => [first, blocks]);
  const body = pieces.length * BLOCK_BYTES === bytes.length ? bytes : Buffer.concat(pieces);
  return { data: pairs(false), zeros: pairs(true), body };
}

async function* blockRuns(volume: CheckpointVolume): AsyncGenerator<BlockRun> {
  let end = 0;
  let lastBlock = 0;
  for await (const range of volume.changes()) {
    if (range.offset < end || range.length < 0 || range.offset + range.length > volume.sizeBytes) {
      throw new UmbraError('IMAGE_FAILED', `${volume.path} reports an impossible change at byte ${range.offset}`);
    }
    end = range.offset + range.length;
    for (const run of runsOf(range, volume.sizeBytes)) {
      // A block that two ranges share was given with the first, as data.
      const first = Math.max(run.first, lastBlock);
      const blocks = run.first + run.blocks - first;
      if (blocks <= 0) continue;
      lastBlock = first + blocks;
      yield { first, blocks, isZero: run.isZero };
    }
  }
}

/** The blocks that a range touches. Of zeros only whole blocks are zeros. */
function runsOf({ offset, length, isZero }: ChangedRange, sizeBytes: number): BlockRun[] {
  if (length === 0) return [];
  const first = Math.floor(offset / BLOCK_BYTES);
  const end = Math.ceil((offset + length) / BLOCK_BYTES);
  if (isZero !== true) return [{ first, blocks: end - first, isZero: false }];
  const wholeFirst = Math.ceil(offset / BLOCK_BYTES);
  const wholeEnd = offset + length === sizeBytes ? end : Math.floor((offset + length) / BLOCK_BYTES);
  if (wholeEnd <= wholeFirst) return [{ first, blocks: end - first, isZero: false }];
  return [
    { first, blocks: wholeFirst - first, isZero: false },
    { first: wholeFirst, blocks: wholeEnd - wholeFirst, isZero: true },
    { first: wholeEnd, blocks: end - wholeEnd, isZero: false },
  ].filter(({ blocks }) => blocks > 0);
}

function addRun(runs: BlockRun[], run: BlockRun): void {
  const last = runs.at(-1);
  if (last?.isZero === run.isZero && last.first + last.blocks === run.first) {
    runs[runs.length - 1] = { ...last, blocks: last.blocks + run.blocks };
  } else {
    runs.push(run);
  }
}
