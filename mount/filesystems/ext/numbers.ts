import { damaged } from './errors.js';

/**
 * A number of up to 64 bits from its two halves.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it is not below 2^53
 */
export function wide(low: number, high: number, what: string): number {
  const value = high * 2 ** 32 + low;
  if (!Number.isSafeInteger(value)) throw damaged(`${what} is out of all bounds`);
  return value;
}

/** Bytes up to the first NUL. */
export function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
