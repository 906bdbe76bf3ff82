import { UmbraError } from '../../../src/common/errors.js';

/**
 * Reads a byte stream in order: yields a buffer, goes on when it is full. So protocol code reads
 * like a plain sequence, and bulk data go from the socket into their place with no copy between.
 * Buffers are never empty.
 */
export type Parser<Result = void> = Generator<Uint8Array, Result, void>;

/** Read `length` bytes into a new buffer. */
export function* take(length: number): Parser<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  if (length > 0) yield bytes;
  return bytes;
}

/** The server said something that the protocol forbids. */
export function protocolError(what: string): UmbraError {
  return new UmbraError('IMAGE_FAILED', `the NBD server broke the protocol: ${what}`);
}
