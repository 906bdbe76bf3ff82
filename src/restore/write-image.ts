import type { FileHandle } from 'node:fs/promises';
import type { NbdClient } from '../../agent/images/nbd/nbd-client.js';
import { dataExtents } from '../../agent/images/nbd/data-extents.js';
import { BLOCK_BYTES } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import { mapInOrder } from '../common/map-in-order.js';
import type { RestoreVolumeResult } from '../protocol/api.js';
import { targetError } from './target-error.js';
import { syncTarget, type Target } from './target.js';

const PIECE_BYTES = 1024 * 1024;
const PIECES_AT_ONCE = 4;
const ZEROS = Buffer.alloc(PIECE_BYTES);

type Written = Pick<RestoreVolumeResult, 'writtenBytes' | 'writtenBlocks' | 'comparedBytes'>;
const NOTHING: Written = { writtenBytes: 0, writtenBlocks: 0, comparedBytes: 0 };

interface Piece {
  readonly offset: number;
  readonly length: number;
  readonly isData: boolean;
}

export interface WriteImageOptions {
  readonly name: string;
  /** What is written: a disk that QEMU reads. */
  readonly client: NbdClient;
  readonly target: Target;
  readonly signal: AbortSignal;
  /** Called with the byte up to which the disk was written. */
  readonly onPassed: (position: number) => void;
}

/**
 * Write a disk to an open target: sparse into a new file; what was there before is compared, and only blocks that differ are
 * written. All is durable when this resolves.
 * @throws {UmbraError} TARGET_TOO_SMALL, TARGET_FULL, TARGET_FAILED, IMAGE_FAILED, CANCELLED
 */
export async function writeImage(options: WriteImageOptions): Promise<RestoreVolumeResult> {
  const { name, client, target, signal, onPassed } = options;
  const { sizeBytes } = client.info;
  const cutOffBytes = await resize(target, sizeBytes);
  const total = { ...NOTHING };
  for await (const [end, written] of mapInOrder(pieces(client, target.isNew), PIECES_AT_ONCE, async (piece) => {
    signal.throwIfAborted();
    return [piece.offset + piece.length, await writePiece(options, piece)] as const;
  })) {
    total.writtenBytes += written.writtenBytes;
    total.writtenBlocks += written.writtenBlocks;
    total.comparedBytes += written.comparedBytes;
    onPassed(end);
  }
  await syncTarget(target);
  const result = { name, to: target.path, sizeBytes, differential: !target.isNew, ...total };
  return cutOffBytes === 0 ? result : { ...result, cutOffBytes };
}

/** @returns how many bytes the target loses */
async function resize(target: Target, sizeBytes: number): Promise<number> {
  if (target.kind === 'file') {
    await target.handle.truncate(sizeBytes).catch((error: unknown) => {
      throw targetError(target.path, error);
    });
    return Math.max(0, target.sizeBytes - sizeBytes);
  }
  if (target.sizeBytes >= sizeBytes) return 0;
  throw new UmbraError(
    'TARGET_TOO_SMALL',
    `${target.path} has ${target.sizeBytes} bytes, and the disk has ${sizeBytes}`,
    {
      hint: 'Give a larger device, or a file.',
    },
  );
}

/** The disk in pieces, in order; without its holes where the target has nothing in them. */
async function* pieces(client: NbdClient, isNew: boolean): AsyncGenerator<Piece> {
  let at = 0;
  for await (const { offset, length } of dataExtents(client)) {
    if (!isNew) yield* cut(at, offset, false);
    at = offset + length;
    yield* cut(offset, at, true);
  }
  if (!isNew) yield* cut(at, client.info.sizeBytes, false);
}

function* cut(from: number, end: number, isData: boolean): Generator<Piece> {
  for (let offset = from; offset < end; offset += PIECE_BYTES) {
    yield { offset, length: Math.min(PIECE_BYTES, end - offset), isData };
  }
}

async function writePiece({ client, target }: WriteImageOptions, { offset, length, isData }: Piece): Promise<Written> {
  const data = isData ? Buffer.alloc(length) : ZEROS.subarray(0, length);
  if (isData) await client.read(data, offset);
  try {
    if (!target.isNew) return await writeDiffering(target.handle, data, offset);
    if (data.equals(ZEROS.subarray(0, length))) return NOTHING;
    await writeAll(target.handle, data, offset);
    return { writtenBytes: length, writtenBlocks: Math.ceil(length / BLOCK_BYTES), comparedBytes: 0 };
  } catch (error) {
    throw targetError(target.path, error);
  }
}

async function writeDiffering(handle: FileHandle, data: Buffer, offset: number): Promise<Written> {
  const before = await readAll(handle, data.length, offset);
  let writtenBytes = 0;
  let writtenBlocks = 0;
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const block = data.subarray(at, at + BLOCK_BYTES);
    if (block.equals(before.subarray(at, at + BLOCK_BYTES))) continue;
    await writeAll(handle, block, offset + at);
    writtenBytes += block.length;
    writtenBlocks += 1;
  }
  return { writtenBytes, writtenBlocks, comparedBytes: data.length };
}

/** What lies there; zeros behind the end. */
async function readAll(handle: FileHandle, length: number, offset: number): Promise<Buffer> {
  const data = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(data, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return data;
}

async function writeAll(handle: FileHandle, data: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < data.length;) {
    done += (await handle.write(data, done, data.length - done, offset + done)).bytesWritten;
  }
}
