import { UmbraError } from '../../src/common/errors.js';

/** A stretch of bytes, and where it stands in the machine's volumes. */
export interface Location {
  readonly length: number;
  /** The volume's name; undefined if the bytes stand in no volume as they are: zeros, or what a journal replaced. */
  readonly volume?: string;
  /** The offset in the volume; 0 without one. */
  readonly offset: number;
}

/**
 * Bytes that can be read at any offset: a volume, a partition or logical volume in it, or that with its journal
 * replayed. Sources are laid over one another; none of them ever reads outside the one below it.
 */
export interface ByteSource {
  readonly sizeBytes: number;
  /**
   * Fill `target` with the bytes from `offset`, up to the source's end. Concurrent calls are fine.
   * @returns the number of bytes, less than `target.length` only at the end; at once if they are in memory
   * @throws {UmbraError} STORE_DAMAGED
   */
  read(target: Uint8Array, offset: number): number | Promise<number>;
  /** Where the bytes stand, in order and without gaps; the lengths add up to `length`, which must lie in the source. */
  locate(offset: number, length: number): readonly Location[];
}

/** A part of a source: a partition. Its end is cut to that of the source. */
export class WindowSource implements ByteSource {
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  readonly #start: number;

  constructor(source: ByteSource, start: number, sizeBytes: number) {
    this.#source = source;
    this.#start = Math.min(Math.max(0, start), source.sizeBytes);
    this.sizeBytes = Math.max(0, Math.min(sizeBytes, source.sizeBytes - this.#start));
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    if (length === 0) return 0;
    const part = length === target.length ? target : target.subarray(0, length);
    return this.#source.read(part, this.#start + offset);
  }

  locate(offset: number, length: number): readonly Location[] {
    return this.#source.locate(this.#start + offset, length);
  }
}

/** How many of `length` bytes from `offset` lie in a source of `sizeBytes`. */
export function lengthWithin(sizeBytes: number, length: number, offset: number): number {
  if (!(offset >= 0)) return 0;
  return Math.max(0, Math.min(length, sizeBytes - offset));
}

/**
 * Exactly `length` bytes from `offset`.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when they do not all lie in the source
 */
export async function readExactly(source: ByteSource, offset: number, length: number): Promise<Buffer> {
  if (lengthWithin(source.sizeBytes, length, offset) < length) throw outside(source, offset, length);
  const bytes = Buffer.allocUnsafe(length);
  const read = await source.read(bytes, offset);
  if (read < length) throw outside(source, offset, length);
  return bytes;
}

/** The error for a structure that points outside of what it stands in. */
export function outside(source: ByteSource, offset: number, length: number): UmbraError {
  const what = `${length} bytes at ${offset} lie outside of the ${source.sizeBytes} bytes that are there`;
  return new UmbraError('FILESYSTEM_DAMAGED', what);
}
