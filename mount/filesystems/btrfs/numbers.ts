import { isUmbraError, UmbraError } from '../../../src/common/errors.js';

const TWO_32 = 2 ** 32;

/** The error for what makes no sense in a file system. */
export function damaged(message: string, cause?: unknown): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', `btrfs: ${message}`, cause === undefined ? {} : { cause });
}

/** The error for what this reader does not know. */
export function unreadable(message: string, hint: string): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', `btrfs: ${message}`, { hint });
}

/**
 * A size or offset of 64 bits.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it is 2^53 or more
 */
export function u64(bytes: Buffer, at: number): number {
  const high = bytes.readUInt32LE(at + 4);
  if (high >= 0x200000) throw damaged(`a number of 64 bits is too large (${bytes.readBigUInt64LE(at)})`);
  return high * TWO_32 + bytes.readUInt32LE(at);
}

/**
 * An object's number of 64 bits: those of the file system's own objects, at the top of the range, as negative numbers.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it is near neither end of the range
 */
export function id64(bytes: Buffer, at: number): number {
  const id = bytes.readInt32LE(at + 4) * TWO_32 + bytes.readUInt32LE(at);
  if (!Number.isSafeInteger(id)) throw damaged(`there is no object ${bytes.readBigUInt64LE(at)}`);
  return id;
}

/** True if the error is of the guest's data, not of the store below. */
export function isFilesystemError(error: unknown): error is UmbraError {
  return isUmbraError(error, 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE');
}
