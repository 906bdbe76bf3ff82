import { readSync, writeSync } from 'node:fs';

import { BLOCK_BYTES, DIGEST_BYTES, ObjectType, REGION_BYTES } from '../codec/formats.js';
import { isZeroBlock } from '../codec/cutting.js';
import { decodeFrameInto, FrameError } from '../codec/frame.js';
import { openStored, type FrameSeal } from '../codec/frame-seal.js';
import { fillZeros } from '../codec/zeros.js';
import { systemCode } from '../common/errors.js';
import { punchHole } from '../system/sparse-file.js';
import type { Fault, FaultsReply, FrameBatch, UnpackRequest, WriteReply, WriteRequest } from './messages.js';

interface PlacedBatch extends FrameBatch {
  readonly blocks: readonly number[];
}

type Difference = 'same' | 'zeros' | 'data';

const scratch = Buffer.allocUnsafeSlow(REGION_BYTES);
const present = Buffer.allocUnsafeSlow(REGION_BYTES);

/** Decode chunks for their faults only. */
export function check(batch: FrameBatch, seal?: FrameSeal): FaultsReply {
  const faults = batch.frames.flatMap((_, index) => {
    const plain = decode(batch, index, scratch, seal);
    return typeof plain === 'number' ? [] : [plain];
  });
  return { faults };
}

/** Decode the chunks of a region into place, zeros between them. A region takes longer to clear than what changed of it to decode. */
export function unpack(request: UnpackRequest, seal?: FrameSeal): FaultsReply {
  const { spans } = request;
  const region = Buffer.from(request.region);
  if (spans === undefined) return { faults: assemble(request, region, REGION_BYTES, seal) };
  for (let index = 0; index < spans.length; index += 2) {
    fillZeros(region, (spans[index] ?? 0) * BLOCK_BYTES, (spans[index + 1] ?? 0) * BLOCK_BYTES);
  }
  return { faults: place(request, region, seal) };
}

/** Decode the chunks of a region and write them to a file, or only the blocks in which it differs. */
export function write(request: WriteRequest, seal?: FrameSeal): WriteReply {
  return request.compare ? writeDifferences(request, seal) : writeChunks(request, seal);
}

function writeChunks(request: WriteRequest, seal: FrameSeal | undefined): WriteReply {
  const faults: Fault[] = [];
  let writtenBytes = 0;
  let writtenBlocks = 0;
  for (const index of request.frames.keys()) {
    const at = (request.blocks[index * 2] ?? 0) * BLOCK_BYTES;
    const plain = decode(request, index, scratch, seal, request.blocks[index * 2 + 1]);
    if (typeof plain !== 'number') {
      faults.push(plain);
      continue;
    }
    const bytes = scratch.subarray(0, Math.min(plain, Math.max(0, request.length - at)));
    writeAll(request.fd, bytes, request.offset + at);
    writtenBytes += bytes.length;
    writtenBlocks += Math.ceil(bytes.length / BLOCK_BYTES);
  }
  return { faults, writtenBytes, writtenBlocks, comparedBytes: 0 };
}

function writeDifferences(request: WriteRequest, seal: FrameSeal | undefined): WriteReply {
  const { length } = request;
  const faults = assemble(request, scratch, Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES, seal);
  const skip = blocksOf(request, faults);
  const there = readUpTo(request.fd, present, length, request.offset);
  const kindAt = (at: number): Difference => (skip.has(at / BLOCK_BYTES) ? 'same' : differenceAt(at, length, there));
  let writtenBytes = 0;
  let writtenBlocks = 0;
  for (let at = 0; at < length;) {
    const kind = kindAt(at);
    let end = at + BLOCK_BYTES;
    while (end < length && kindAt(end) === kind) end += BLOCK_BYTES;
    const stop = Math.min(end, length);
    if (kind !== 'same') {
      const punched = kind === 'zeros' && request.punch && tryPunch(request.fd, request.offset + at, stop - at);
      if (!punched) writeAll(request.fd, scratch.subarray(at, stop), request.offset + at);
      writtenBytes += stop - at;
      writtenBlocks += Math.ceil((stop - at) / BLOCK_BYTES);
    }
    at = end;
  }
  return { faults, writtenBytes, writtenBlocks, comparedBytes: length };
}

/** Put chunks in their places in `region`, and zeros between them. The places of damaged chunks hold anything. */
function assemble(batch: PlacedBatch, region: Buffer, length: number, seal: FrameSeal | undefined): Fault[] {
  let filled = 0;
  for (const index of batch.frames.keys()) {
    const start = (batch.blocks[index * 2] ?? 0) * BLOCK_BYTES;
    fillZeros(region, filled, start);
    filled = start + (batch.blocks[index * 2 + 1] ?? 0) * BLOCK_BYTES;
  }
  fillZeros(region, filled, length);
  return place(batch, region, seal);
}

/** Put chunks in their places. */
function place(batch: PlacedBatch, region: Buffer, seal: FrameSeal | undefined): Fault[] {
  const faults: Fault[] = [];
  for (const index of batch.frames.keys()) {
    const start = (batch.blocks[index * 2] ?? 0) * BLOCK_BYTES;
    const blocks = batch.blocks[index * 2 + 1] ?? 0;
    const plain = decode(batch, index, region.subarray(start, start + blocks * BLOCK_BYTES), seal, blocks);
    if (typeof plain !== 'number') faults.push(plain);
  }
  return faults;
}

/** @returns the length of the plain chunk, now in `target`, or what is wrong with it */
function decode(
  batch: FrameBatch,
  index: number,
  target: Buffer,
  seal: FrameSeal | undefined,
  blocks?: number,
): number | Fault {
  const digest = batch.digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  try {
    const frame = openStored(batch.frames[index] ?? new Uint8Array(), seal);
    const length = decodeFrameInto(target, frame, { type: ObjectType.chunk, digest });
    if (blocks !== undefined && length !== blocks * BLOCK_BYTES)
      throw new FrameError(`it has ${length} bytes, not ${blocks} blocks`);
    return length;
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    return { index, reason: error.message };
  }
}

function blocksOf(request: WriteRequest, faults: readonly Fault[]): Set<number> {
  const blocks = new Set<number>();
  for (const { index } of faults) {
    const first = request.blocks[index * 2] ?? 0;
    for (let block = 0; block < (request.blocks[index * 2 + 1] ?? 0); block++) blocks.add(first + block);
  }
  return blocks;
}

/**
 * What the block at `at` needs in the file: nothing, or to become zeros, or data. What lies behind the end of the file
 * counts as zeros.
 */
function differenceAt(at: number, length: number, there: number): Difference {
  const end = Math.min(at + BLOCK_BYTES, length);
  const wantsZeros = isZeroBlock(scratch, at);
  const same = at >= there ? wantsZeros : end <= there && present.compare(scratch, at, end, at, end) === 0;
  if (same) return 'same';
  return wantsZeros ? 'zeros' : 'data';
}

/** @returns false where the file system can't */
function tryPunch(fd: number, offset: number, length: number): boolean {
  try {
    punchHole(fd, offset, length);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EOPNOTSUPP') return false;
    throw error;
  }
}

function readUpTo(fd: number, target: Buffer, length: number, position: number): number {
  let at = 0;
  while (at < length) {
    const got = readSync(fd, target, at, length - at, position + at);
    if (got === 0) break;
    at += got;
  }
  return at;
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, position + at);
}
