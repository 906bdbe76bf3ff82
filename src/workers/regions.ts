import { readSync } from 'node:fs';

import { BLOCK_BYTES, DIGEST_BYTES, ObjectType } from '../codec/formats.js';
import { cutRegion, type CuttingSettings } from '../codec/cutting.js';
import { digestOf } from '../codec/digest.js';
import { encodeFrame, encodeFrameInto } from '../codec/frame.js';
import type { FrameSeal } from '../codec/frame-seal.js';
import type { Compressor } from '../codec/compression.js';
import { fillZeros } from '../codec/zeros.js';
import { encodeLeaf, type ChunkRef } from '../tree/node.js';
import type { CutReply, CutRequest, NameReply, NameRequest, PackReply, PackRequest, ReadFrom } from './messages.js';

/** A file ended before the bytes that were asked for. */
export class ShortReadError extends Error {
  override readonly name = 'ShortReadError';
}

/** Read a region, cut it and name its chunks. */
export function cut(request: CutRequest, settings: CuttingSettings): CutReply {
  const region = Buffer.from(request.region);
  if (request.from !== undefined) readExtents(region, request.length, request.from);
  const end = Math.ceil(request.length / BLOCK_BYTES) * BLOCK_BYTES;
  fillZeros(region, request.length, end);
  const chunks: ChunkRef[] = [];
  let dataBlocks = 0;
  const spans = request.spans ?? [0, end / BLOCK_BYTES];
  for (let index = 0; index < spans.length; index += 2) {
    const first = spans[index] ?? 0;
    for (const cut of cutRegion(blocksOf(region, first, (spans[index + 1] ?? 0) - first), settings)) {
      const firstBlock = first + cut.firstBlock;
      chunks.push({ firstBlock, blocks: cut.blocks, digest: digestOf(blocksOf(region, firstBlock, cut.blocks)) });
      dataBlocks += cut.blocks;
    }
  }
  const leaf = encodeLeaf(chunks);
  return { leaf, leafDigest: digestOf(leaf), dataBlocks };
}

/** The digests of chunks of a region. */
export function name(request: NameRequest): NameReply {
  const region = Buffer.from(request.region);
  const digests: Uint8Array[] = [];
  for (let index = 0; index < request.chunks.length; index += 2) {
    digests.push(digestOf(blocksOf(region, request.chunks[index] ?? 0, request.chunks[index + 1] ?? 0)));
  }
  return { digests: Buffer.concat(digests) };
}

/** Compress chunks of a region into frames, and seal those. */
export function pack(request: PackRequest, compressor: Compressor, seal?: FrameSeal): PackReply {
  const region = Buffer.from(request.region);
  const frames = Buffer.from(request.frames);
  const lengths: number[] = [];
  let end = 0;
  for (let index = 0; index * 2 < request.chunks.length; index++) {
    const plain = blocksOf(region, request.chunks[index * 2] ?? 0, request.chunks[index * 2 + 1] ?? 0);
    const digest = request.digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    const length =
      seal === undefined
        ? encodeFrameInto(frames, end, { type: ObjectType.chunk, digest, plain }, compressor)
        : sealInto(frames, end, { digest, plain }, compressor, seal);
    lengths.push(length);
    end += length;
  }
  return { lengths };
}

function sealInto(
  frames: Buffer,
  offset: number,
  { digest, plain }: { readonly digest: Uint8Array; readonly plain: Uint8Array },
  compressor: Compressor,
  seal: FrameSeal,
): number {
  const frame = encodeFrame(ObjectType.chunk, plain, compressor, digest);
  const sealed = seal.seal(frame, ObjectType.chunk, digest);
  frames.set(sealed, offset);
  return sealed.length;
}

function blocksOf(region: Buffer, firstBlock: number, blocks: number): Buffer {
  return region.subarray(firstBlock * BLOCK_BYTES, (firstBlock + blocks) * BLOCK_BYTES);
}

function readExtents(target: Buffer, length: number, from: ReadFrom): void {
  let filled = 0;
  for (let index = 0; index < from.extents.length; index += 2) {
    const start = from.extents[index] ?? 0;
    const end = start + (from.extents[index + 1] ?? 0);
    fillZeros(target, filled, start);
    for (let at = start; at < end;) {
      const got = readSync(from.fd, target, at, end - at, from.offset + at);
      if (got === 0) throw new ShortReadError(`the file ends at byte ${from.offset + at}`);
      at += got;
    }
    filled = end;
  }
  fillZeros(target, filled, length);
}
