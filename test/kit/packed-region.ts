import { makeCompressor } from '../../src/codec/compression.js';
import { cutRegion } from '../../src/codec/cutting.js';
import { digestOf } from '../../src/codec/digest.js';
import { BLOCK_BYTES, ObjectType } from '../../src/codec/formats.js';
import { encodeFrame } from '../../src/codec/frame.js';
import type { FrameBatch } from '../../src/workers/messages.js';
import { WORKER_SETTINGS } from './worker-settings.js';

const compressor = makeCompressor(WORKER_SETTINGS.compression);

/** The chunks of a region as frames, as a store hands them out. */
export function packedRegion(content: Buffer): FrameBatch & { readonly blocks: readonly number[] } {
  const region = Buffer.alloc(Math.ceil(content.length / BLOCK_BYTES) * BLOCK_BYTES);
  content.copy(region);
  const cuts = cutRegion(region, WORKER_SETTINGS.cutting);
  const plains = cuts.map(({ firstBlock, blocks }) =>
    region.subarray(firstBlock * BLOCK_BYTES, (firstBlock + blocks) * BLOCK_BYTES),
  );
  return {
    frames: plains.map((plain) => encodeFrame(ObjectType.chunk, plain, compressor)),
    digests: Buffer.concat(plains.map((plain) => digestOf(plain))),
    blocks: cuts.flatMap(({ firstBlock, blocks }) => [firstBlock, blocks]),
  };
}

/** `batch` with a bit of one frame flipped. */
export function withDamage<B extends FrameBatch>(batch: B, index: number): B {
  const frames = batch.frames.map((frame, at) => (at === index ? flipped(frame) : frame));
  return { ...batch, frames };
}

function flipped(frame: Uint8Array): Uint8Array {
  const copy = Buffer.from(frame);
  const middle = copy.length >>> 1;
  copy[middle] = (copy[middle] ?? 0) ^ 1;
  return copy;
}
