import { ObjectType } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { Fault, FrameBatch } from '../workers/messages.js';
import type { WorkerPool } from '../workers/pool.js';
import type { ChunkRef } from './node.js';

/** The frames of chunks of one region, in order, as a worker takes them. */
export interface ChunkBatch extends FrameBatch {
  readonly chunks: readonly ChunkRef[];
  /** Pairs of first block and number of blocks, for each frame. */
  readonly blocks: readonly number[];
  /** Why the store has no frame, by index; the frame is empty then, which a worker reports as damaged. */
  readonly missing: ReadonlyMap<number, string>;
}

const NO_FRAME = new Uint8Array(0);

/**
 * Read the frames of chunks; they are not checked yet.
 * @param room memory to put the frames in, which a worker then sees without a copy for each message
 */
export async function readChunkBatch(
  reader: ObjectReader,
  chunks: readonly ChunkRef[],
  room?: SharedArrayBuffer,
): Promise<ChunkBatch> {
  const digests = chunks.map(({ digest }) => digest);
  const missing = new Map<number, string>();
  const results = await reader.readFrames(ObjectType.chunk, digests);
  let used = 0;
  const frames = results.map((result, index) => {
    if ('frame' in result) {
      const { frame } = result;
      if (room === undefined || used + frame.length > room.byteLength) return frame;
      const shared = new Uint8Array(room, used, frame.length);
      shared.set(frame);
      used += frame.length;
      return shared;
    }
    missing.set(index, result.fault);
    return NO_FRAME;
  });
  const blocks = chunks.flatMap((chunk) => [chunk.firstBlock, chunk.blocks]);
  return { chunks, frames, digests: Buffer.concat(digests), blocks, missing };
}

/** Where a region is decoded to. */
export interface UnpackInto {
  readonly region: SharedArrayBuffer;
  /** Room as for {@link readChunkBatch}. */
  readonly frames?: SharedArrayBuffer;
  /** Only these parts are wanted, the rest may hold anything: pairs of first block and block behind the last. */
  readonly spans?: readonly number[];
}

/**
 * Decode the chunks of a region into place, by a worker; what no chunk covers becomes zeros.
 * @throws {UmbraError} STORE_DAMAGED for the first that can't be read; the store is told
 */
export async function unpackRegion(
  reader: ObjectReader,
  pool: WorkerPool,
  chunks: readonly ChunkRef[],
  { region, frames: room, spans }: UnpackInto,
): Promise<void> {
  const batch = await readChunkBatch(reader, chunks, room);
  const { frames, digests, blocks } = batch;
  const [fault] = (await pool.run({ op: 'unpack', region, spans, frames, digests, blocks })).faults;
  if (fault !== undefined) throw await reportFault(reader, batch, fault);
}

/** Tell the store of a chunk that a worker found damaged. @returns the error to throw */
export async function reportFault(reader: ObjectReader, batch: ChunkBatch, fault: Fault): Promise<UmbraError> {
  const digest = batch.chunks[fault.index]?.digest;
  if (digest === undefined) throw new UmbraError('INTERNAL', `a worker found fault with chunk ${fault.index} of none`);
  return reader.reportDamage(ObjectType.chunk, digest, batch.missing.get(fault.index) ?? fault.reason);
}
