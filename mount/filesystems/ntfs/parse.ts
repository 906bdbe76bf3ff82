import { UmbraError } from '../../../src/common/errors.js';

/** The error for what makes no sense in a volume. */
export function damaged(what: string): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', what);
}

/** The error for what is in order, but can't be shown. */
export function unreadable(what: string, hint: string): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', what, { hint });
}

/**
 * An unsigned number of 64 bits; the caller has checked that it is there.
 * @throws {UmbraError} FILESYSTEM_DAMAGED from 2^53 on: no size or place on a volume is that large
 */
export function readSize(bytes: Buffer, offset: number): number {
  const value = bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw damaged(`a size or place of ${value} is too large`);
  return value;
}

/**
 * A part of `bytes`.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it does not lie in them
 */
export function part(bytes: Buffer, offset: number, length: number, what: string): Buffer {
  if (offset + length > bytes.length) throw damaged(`${what} is cut off`);
  return bytes.subarray(offset, offset + length);
}

/** UTF-16 of the volume as a string, unpaired surrogates and all. */
export function utf16(bytes: Buffer, start = 0, end = bytes.length): string {
  return bytes.toString('utf16le', start, end - ((end - start) % 2));
}

/** True for 1, 2, 4, 8 … */
export function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}
