import { damaged } from './damaged.js';

/** A stretch of a fork: file blocks that stand at volume blocks one after another. */
export interface Mapping {
  /** First block in the file (or directory, or attribute fork). */
  readonly start: number;
  readonly count: number;
  /** First block on the volume. */
  readonly block: number;
  /** Allocated, but never written: zeros. */
  readonly unwritten: boolean;
}

export const RECORD_BYTES = 16;

/**
 * Unpack an extent: one bit, 54 bits of file block, 52 of volume block, 21 of count, big-endian ("XFS Algorithms & Data
 * Structures", extent list).
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseRecord(bytes: Buffer, at: number): Mapping {
  const first = bytes.readUInt32BE(at);
  const second = bytes.readUInt32BE(at + 4);
  const third = bytes.readUInt32BE(at + 8);
  const fourth = bytes.readUInt32BE(at + 12);
  const start = (first & 0x7fffffff) * 2 ** 23 + (second >>> 9);
  const block = (second & 0x1ff) * 2 ** 43 + third * 2 ** 11 + (fourth >>> 21);
  const count = fourth & 0x1fffff;
  if (count === 0 || start > Number.MAX_SAFE_INTEGER - count) throw damaged('an extent makes no sense');
  return { start, count, block, unwritten: first >= 0x80000000 };
}
