import { UmbraError } from '../../../src/common/errors.js';

/** The error for what makes no sense on the volume. */
export function damaged(what: string): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', what);
}

/**
 * Run `work`, which takes bytes apart by offsets that stand in them. Node.js refuses to read outside of a buffer by a
 * RangeError: that is damage here.
 * @param what is taken apart, for the error
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function takeApart<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw damaged(`${what} is cut off or points outside of itself`);
    throw error;
  }
}
