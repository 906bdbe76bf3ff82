import { BLOCK_BYTES } from '../codec/formats.js';
import type { CuttingSettings } from '../codec/cutting.js';
import { fillZeros } from '../codec/zeros.js';
import type { ChunkRef } from '../tree/node.js';

/** Blocks of a region, from `first` up to but without `end`. */
export interface Span {
  readonly first: number;
  readonly end: number;
}

/** What of a store's settings says how far a change reaches. */
export type CuttingLimits = Pick<CuttingSettings, 'window' | 'maxBlocks'>;

/** Pairs of first block and number of blocks as spans. */
export function spansOf(ranges: readonly number[]): Span[] {
  const spans: Span[] = [];
  for (let index = 0; index < ranges.length; index += 2) {
    const first = ranges[index] ?? 0;
    spans.push({ first, end: first + (ranges[index + 1] ?? 0) });
  }
  return spans;
}

/** Spans in order, those that touch as one: a chunk over the border of two is covered by both. */
export function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of spans) {
    const last = all.at(-1);
    if (last?.end === span.first) all[all.length - 1] = { first: last.first, end: span.end };
    else all.push(span);
  }
  return all;
}

/**
 * The spans of a region that have to be cut again when blocks of it change; chunks outside them stay, and the result is as if
 * the whole region had been cut. They begin and end where a chunk ends whatever changes, and where what lies beyond says nothing of what is inside:
 * at holes, and where the content makes an end, as that block has the highest hash around.
 * @param chunks as they were, in order
 * @param changed in order, not overlapping
 */
export function spansToCut(chunks: readonly ChunkRef[], changed: readonly Span[], cutting: CuttingLimits): Span[] {
  const spans: Span[] = [];
  for (const { first, end } of changed) {
    const span = { first: startOf(chunks, first, cutting), end: endOf(chunks, end, cutting) };
    const last = spans.at(-1);
    if (last !== undefined && span.first <= last.end) {
      spans[spans.length - 1] = { first: last.first, end: Math.max(last.end, span.end) };
    } else {
      spans.push(span);
    }
  }
  return spans;
}

/** The chunks outside the spans, and the new ones inside them, in order. */
export function mergeChunks(
  chunks: readonly ChunkRef[],
  spans: readonly Span[],
  cut: readonly ChunkRef[],
): readonly ChunkRef[] {
  const kept = chunks.filter(
    (chunk) => !spans.some(({ first, end }) => chunk.firstBlock < end && endBlock(chunk) > first),
  );
  return [...kept, ...cut].sort((a, b) => a.firstBlock - b.firstBlock);
}

/** The chunks of which a part, but not all, stays as it is inside the spans: they have to be read. */
export function chunksToRead(
  chunks: readonly ChunkRef[],
  spans: readonly Span[],
  changed: readonly Span[],
): ChunkRef[] {
  return chunks.filter(
    (chunk) =>
      spans.some(({ first, end }) => chunk.firstBlock < end && endBlock(chunk) > first) &&
      !changed.some(({ first, end }) => first <= chunk.firstBlock && endBlock(chunk) <= end),
  );
}

/** Blocks of a region that change. */
export interface BlockChange {
  readonly written: readonly Span[];
  readonly zeros: readonly Span[];
  /** Both, in order. */
  readonly changed: readonly Span[];
}

/** Put what came over what was there. */
export function applyChange(region: Buffer, { written, zeros }: BlockChange, data: Buffer): void {
  let at = 0;
  for (const { first, end } of written) {
    const bytes = (end - first) * BLOCK_BYTES;
    region.set(data.subarray(at, at + bytes), first * BLOCK_BYTES);
    at += bytes;
  }
  for (const { first, end } of zeros) fillZeros(region, first * BLOCK_BYTES, end * BLOCK_BYTES);
}

function endBlock({ firstBlock, blocks }: ChunkRef): number {
  return firstBlock + blocks;
}

/** Where cutting begins for a change from `block` on: no later than there. */
function startOf(chunks: readonly ChunkRef[], block: number, limits: CuttingLimits): number {
  // A chunk that ended before the change may have done so only since a hole was there.
  let index = chunks.findLastIndex(({ firstBlock }) => firstBlock <= block);
  let start = chunks[index];
  if (start === undefined || endBlock(start) < block) return block;
  for (let before = chunks[--index]; before !== undefined; before = chunks[--index]) {
    if (endBlock(before) < start.firstBlock || mayBegin(before, start, block, limits)) break;
    start = before;
  }
  return start.firstBlock;
}

/** Whether cutting for a change from `block` on may begin with a chunk, that begins where another ends. */
function mayBegin(
  before: ChunkRef,
  { firstBlock }: ChunkRef,
  block: number,
  { window, maxBlocks }: CuttingLimits,
): boolean {
  if (before.blocks < maxBlocks) return firstBlock + window <= block;
  // That one was full leaves open whether the content makes an end less than a window behind: the change must be too far off to matter for that.
  return firstBlock + 2 * window <= block;
}

/** Where cutting ends for a change up to `block`: no sooner than there. */
function endOf(chunks: readonly ChunkRef[], block: number, { window, maxBlocks }: CuttingLimits): number {
  let end = block;
  for (const chunk of chunks) {
    if (endBlock(chunk) <= end) continue;
    // A hole ends a chunk anyhow.
    if (chunk.firstBlock > end) break;
    end = endBlock(chunk);
    if (chunk.blocks < maxBlocks && end > block + window) break;
  }
  return end;
}
