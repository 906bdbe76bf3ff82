import { xxh64 } from '../../../src/codec/xxhash.js';
import type { Run } from './block-set.js';

/**
 * The change log on disk, little-endian.
 *
 * Header (64 bytes): 0 magic `UMBL`; 4 version; 8 generation, 16 random bytes; 24 sequence number of the first record;
 * 32 zeros; 56 xxHash64 of all that is before.
 *
 * Record: 0 length of the body; 4 its complement; 8 sequence number, one more than the one before; 16 body, JSON; then
 * xxHash64 of all that is before, with the generation's first eight bytes as seed, so that a record of an older log in
 * the same place of the disk is none.
 */
export const LOG_MAGIC = 0x4c424d55;
export const LOG_VERSION = 1;
export const HEADER_BYTES = 64;
const PREFIX_BYTES = 16;
const CHECKSUM_BYTES = 8;
/** A body has at most so many bytes; what is longer is written as several records. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** What {@link FileRef.key} is: device and inode number of a file. */
export interface FileRef {
  /** The number by which the other records call it; never used twice in a log. */
  readonly id: number;
  readonly key: string;
  /** What the group calls it: which volumes it is a part of. */
  readonly name: string;
  /** Below the directory, as of then; for people. */
  readonly path: string;
}

interface OfEpoch {
  readonly group: string;
  readonly epoch: number;
  readonly file: number;
}

export type LogRecord =
  /** The filter begins to pass writes, in this run of the kernel, of the directory with this device and inode. */
  | { readonly t: 'started'; readonly boot: string; readonly root: string }
  /** A group's checkpoint of these files: from here on their changes are marked. */
  | {
      readonly t: 'checkpoint';
      readonly group: string;
      readonly id: string;
      readonly timeMs: number;
      readonly files: readonly FileRef[];
    }
  /** What was written to the group's files before the checkpoint is durable in them. */
  | { readonly t: 'settled'; readonly group: string; readonly id: string }
  /** Checkpoints of the group before `id` are never asked for again. */
  | { readonly t: 'dropped'; readonly group: string; readonly id: string }
  | { readonly t: 'forgotten'; readonly group: string }
  /** The regions may be written from here on. */
  | { readonly t: 'mark'; readonly file: number; readonly runs: readonly Run[] }
  /** Nobody vouches for the file before the next checkpoint: it got another name, or too much to note was written. */
  | { readonly t: 'everything'; readonly file: number }
  | { readonly t: 'removed'; readonly file: number }
  /** In a compacted log: regions marked after the group's checkpoint number `epoch`, counted from 0. */
  | (OfEpoch & { readonly t: 'marked'; readonly runs: readonly Run[] })
  | (OfEpoch & { readonly t: 'everything-of' })
  /** Before `clean`: the blocks that were really written. */
  | (OfEpoch & { readonly t: 'blocks'; readonly runs: readonly Run[] })
  /** Before `clean`: what the file is like. */
  | { readonly t: 'print'; readonly file: number; readonly print: string }
  /** The filter ended, all files are synced, and all blocks and prints of this end stand before this. */
  | { readonly t: 'clean' };

export interface LogHeader {
  readonly generation: Buffer;
  readonly firstSequence: number;
}

export function encodeHeader({ generation, firstSequence }: LogHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32LE(LOG_MAGIC, 0);
  bytes.writeUInt32LE(LOG_VERSION, 4);
  generation.copy(bytes, 8);
  bytes.writeBigUInt64LE(BigInt(firstSequence), 24);
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(0, 56)), 56);
  return bytes;
}

/** Undefined when it is none, of another version, or damaged. */
export function decodeHeader(bytes: Buffer): LogHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  if (bytes.readUInt32LE(0) !== LOG_MAGIC || bytes.readUInt32LE(4) !== LOG_VERSION) return undefined;
  if (bytes.readBigUInt64LE(56) !== xxh64(bytes.subarray(0, 56))) return undefined;
  return { generation: Buffer.from(bytes.subarray(8, 24)), firstSequence: Number(bytes.readBigUInt64LE(24)) };
}

export function encodeRecord(generation: Buffer, sequence: number, record: LogRecord): Buffer {
  const body = Buffer.from(JSON.stringify(record));
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + body.length + CHECKSUM_BYTES);
  bytes.writeUInt32LE(body.length, 0);
  bytes.writeUInt32LE(~body.length >>> 0, 4);
  bytes.writeBigUInt64LE(BigInt(sequence), 8);
  body.copy(bytes, PREFIX_BYTES);
  const end = PREFIX_BYTES + body.length;
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(0, end), generation.readBigUInt64LE(0)), end);
  return bytes;
}

export interface DecodedRecord {
  readonly sequence: number;
  readonly record: LogRecord;
  /** Where the next one begins. */
  readonly end: number;
}

/** Undefined when no whole, undamaged record begins at `at`. */
export function decodeRecord(generation: Buffer, log: Buffer, at: number): DecodedRecord | undefined {
  if (log.length - at < PREFIX_BYTES + CHECKSUM_BYTES) return undefined;
  const length = log.readUInt32LE(at);
  if (length > MAX_BODY_BYTES || log.readUInt32LE(at + 4) !== ~length >>> 0) return undefined;
  const bodyEnd = at + PREFIX_BYTES + length;
  if (bodyEnd + CHECKSUM_BYTES > log.length) return undefined;
  const checksum = xxh64(log.subarray(at, bodyEnd), generation.readBigUInt64LE(0));
  if (log.readBigUInt64LE(bodyEnd) !== checksum) return undefined;
  const record = parseBody(log.subarray(at + PREFIX_BYTES, bodyEnd));
  if (record === undefined) return undefined;
  return { sequence: Number(log.readBigUInt64LE(at + 8)), record, end: bodyEnd + CHECKSUM_BYTES };
}

/** The checksum, seeded, says that we wrote it: only its type is looked at. */
function parseBody(body: Buffer): LogRecord | undefined {
  try {
    return JSON.parse(body.toString('utf8')) as LogRecord;
  } catch {
    return undefined;
  }
}

/** A set's runs in pieces that fit into a record each. */
export function* pieces(runs: Iterable<Run>): Generator<readonly Run[]> {
  let piece: Run[] = [];
  for (const run of runs) {
    piece.push(run);
    if (piece.length === RUNS_A_RECORD) {
      yield piece;
      piece = [];
    }
  }
  if (piece.length > 0) yield piece;
}

const RUNS_A_RECORD = 4096;
