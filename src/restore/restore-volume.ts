import { BLOCK_BYTES, REGION_BYTES } from '../codec/formats.js';
import { mapInOrder } from '../common/map-in-order.js';
import { isUmbraError, systemCode } from '../common/errors.js';
import type { RestoreVolumeResult } from '../protocol/api.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { VolumeRecord } from '../store/records.js';
import { seekData, seekHole } from '../system/sparse-file.js';
import { readChunkBatch, reportFault, type ChunkBatch } from '../tree/chunk-batch.js';
import type { ChunkRef } from '../tree/node.js';
import { TreeReader } from '../tree/tree-reader.js';
import type { WriteReply } from '../workers/messages.js';
import type { WorkerPool } from '../workers/pool.js';
import { DamagedRanges } from './damaged-ranges.js';
import { targetError } from './target-error.js';
import { syncTarget, type Target } from './target.js';
import { volumePieces, type VolumePiece } from './volume-pieces.js';

/** Regions on their way to a worker: while one is written, the next ones are read from the store. */
const REGIONS_PER_WORKER = 2;

export interface RestoreVolumeOptions {
  readonly reader: ObjectReader;
  readonly pool: WorkerPool;
  readonly volume: VolumeRecord;
  readonly target: Target;
  readonly signal: AbortSignal;
  /** Called with the byte up to which the volume was restored. */
  readonly onPassed: (position: number) => void;
}

/** What came of it. Only when `damaged` is empty is the target the volume. */
export interface RestoredVolume {
  readonly result: RestoreVolumeResult;
  readonly damaged: DamagedRanges;
}

/** What was done with a part of the target. */
interface StepResult {
  /** Byte behind the part. */
  readonly end: number;
  readonly reply: Pick<WriteReply, 'writtenBytes' | 'writtenBlocks' | 'comparedBytes'>;
  /** Ranges of the volume that could not be read, in order: offset and length. */
  readonly damaged: readonly (readonly [number, number])[];
}

const NOTHING_WRITTEN = { writtenBytes: 0, writtenBlocks: 0, comparedBytes: 0 };

/**
 * Writes a volume to an open target. Workers decode chunks and write them; onto a target that was there before they
 * compare, and write only blocks that differ. Holes stay holes, and data that is in their place is punched out.
 */
export class VolumeRestore {
  readonly #options: RestoreVolumeOptions;
  readonly #tree: TreeReader;

  constructor(options: RestoreVolumeOptions) {
    this.#options = options;
    this.#tree = new TreeReader(options.reader, options.volume);
  }

  /**
   * Everything written is durable when this resolves. What is damaged in the store is left out, and nothing in its place
   * is changed.
   * @throws {UmbraError} TARGET_FULL, TARGET_FAILED, STORE_FAILED, CANCELLED
   */
  async run(): Promise<RestoredVolume> {
    const { volume, target, pool, signal, onPassed } = this.#options;
    const damaged = new DamagedRanges();
    const total = { ...NOTHING_WRITTEN };
    const cutOffBytes = await this.#resize();
    const pieces = target.isNew ? this.#pieces() : this.#piecesOver();
    const limit = pool.size * REGIONS_PER_WORKER;
    for await (const { end, reply, damaged: lost } of mapInOrder(pieces, limit, (piece) => this.#restore(piece))) {
      signal.throwIfAborted();
      total.writtenBytes += reply.writtenBytes;
      total.writtenBlocks += reply.writtenBlocks;
      total.comparedBytes += reply.comparedBytes;
      for (const [offset, length] of lost) damaged.add(offset, length);
      onPassed(end);
    }
    await syncTarget(target);
    const { name, sizeBytes } = volume;
    const result = { name, to: target.path, sizeBytes, differential: !target.isNew, ...total };
    return { result: cutOffBytes === 0 ? result : { ...result, cutOffBytes }, damaged };
  }

  /** Give a file the size of the volume. @returns how many bytes it loses */
  async #resize(): Promise<number> {
    const { target, volume } = this.#options;
    if (target.kind === 'device' || target.sizeBytes === volume.sizeBytes) return 0;
    try {
      await target.handle.truncate(volume.sizeBytes);
    } catch (error) {
      throw targetError(target.path, error);
    }
    return Math.max(0, target.sizeBytes - volume.sizeBytes);
  }

  async *#pieces(): AsyncGenerator<VolumePiece> {
    for await (const piece of volumePieces(this.#tree, this.#options.volume.sizeBytes)) {
      this.#options.signal.throwIfAborted();
      yield piece;
    }
  }

  /** The pieces for a target that has content: of a hole only what the target has data in, at most a region at once. */
  async *#piecesOver(): AsyncGenerator<VolumePiece> {
    for await (const piece of this.#pieces()) {
      if (piece.kind !== 'hole') {
        yield piece;
        continue;
      }
      const end = piece.offset + piece.length;
      for (let at = piece.offset; at < end;) {
        this.#options.signal.throwIfAborted();
        const data = this.#dataOfTarget(at, end);
        // Even without data there is a piece, so that it is seen how far the restore is.
        yield data ?? { kind: 'hole', offset: end, length: 0 };
        at = data === undefined ? end : data.offset + data.length;
      }
    }
  }

  /** The next data of the target from `at` on, in whole blocks, inside one region. */
  #dataOfTarget(at: number, end: number): VolumePiece | undefined {
    const { target } = this.#options;
    try {
      const data = target.kind === 'device' ? { start: at, end } : nextData(target.handle.fd, at, end);
      if (data === undefined || data.start >= end) return undefined;
      const offset = data.start - (data.start % BLOCK_BYTES);
      const regionEnd = (Math.floor(offset / REGION_BYTES) + 1) * REGION_BYTES;
      const stop = Math.min(Math.ceil(data.end / BLOCK_BYTES) * BLOCK_BYTES, end, regionEnd);
      return { kind: 'hole', offset, length: stop - offset };
    } catch (error) {
      throw targetError(target.path, error);
    }
  }

  async #restore(piece: VolumePiece): Promise<StepResult> {
    const end = piece.offset + piece.length;
    if (piece.kind === 'damaged') return this.#lost(piece);
    if (piece.kind === 'hole') {
      if (this.#options.target.isNew || piece.length === 0) return { end, reply: NOTHING_WRITTEN, damaged: [] };
      return {
        end,
        reply: await this.#write(piece, { frames: [], digests: new Uint8Array(0), blocks: [] }),
        damaged: [],
      };
    }
    const chunks = await this.#chunks(piece);
    if (chunks === undefined) return this.#lost(piece);
    const { reader, pool, signal } = this.#options;
    const slot = await pool.slots.take();
    try {
      signal.throwIfAborted();
      const batch = await readChunkBatch(reader, chunks, slot.frames);
      const reply = await this.#write(piece, batch);
      return { end, reply, damaged: await this.#reportFaults(piece, batch, reply) };
    } finally {
      pool.slots.giveBack(slot);
    }
  }

  #lost({ offset, length }: VolumePiece): StepResult {
    return { end: offset + length, reply: NOTHING_WRITTEN, damaged: [[offset, length]] };
  }

  /** The chunks of a region; undefined if its leaf is damaged. */
  async #chunks({ leaf }: VolumePiece): Promise<ChunkRef[] | undefined> {
    try {
      return leaf === undefined ? [] : await this.#tree.chunksOfLeaf(leaf);
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
      throw error;
    }
  }

  async #write(piece: VolumePiece, batch: Pick<ChunkBatch, 'frames' | 'digests' | 'blocks'>): Promise<WriteReply> {
    const { pool, target } = this.#options;
    const { frames, digests, blocks } = batch;
    const { offset, length } = piece;
    const how = { compare: !target.isNew, punch: target.kind === 'file' };
    try {
      return await pool.run({ op: 'write', fd: target.handle.fd, offset, length, frames, digests, blocks, ...how });
    } catch (error) {
      throw targetError(target.path, error);
    }
  }

  async #reportFaults(piece: VolumePiece, batch: ChunkBatch, { faults }: WriteReply): Promise<[number, number][]> {
    const ranges: [number, number][] = [];
    for (const fault of faults) {
      await reportFault(this.#options.reader, batch, fault);
      const chunk = batch.chunks[fault.index];
      if (chunk === undefined) continue;
      const start = chunk.firstBlock * BLOCK_BYTES;
      const end = Math.min(start + chunk.blocks * BLOCK_BYTES, piece.length);
      if (end > start) ranges.push([piece.offset + start, end - start]);
    }
    return ranges;
  }
}

/** Where a file has data; all of it may, where the file system does not say. */
function nextData(fd: number, at: number, end: number): { readonly start: number; readonly end: number } | undefined {
  try {
    const start = seekData(fd, at);
    return start === undefined ? undefined : { start, end: seekHole(fd, start) };
  } catch (error) {
    if (systemCode(error) !== 'EINVAL') throw error;
    return { start: at, end };
  }
}
