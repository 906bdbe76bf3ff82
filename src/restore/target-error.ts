import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { WorkerError } from '../workers/pool.js';

const FULL = new Set(['ENOSPC', 'EDQUOT']);
const BUSY = new Set(['EBUSY', 'ETXTBSY']);

/** True if a system call failed for want of room. */
export function isFull(error: unknown): boolean {
  return FULL.has(systemCode(error) ?? '');
}

/**
 * What a failed system call on a target means to the user. Errors that are ours already, and defects, come back as they are.
 */
export function targetError(target: string, error: unknown): unknown {
  const code = systemCode(error);
  if (error instanceof UmbraError || code === undefined) return error;
  if (error instanceof WorkerError && error.kind !== 'system') return error;
  if (BUSY.has(code)) return busy(target, 'the kernel says that it is in use', error);
  const said = `${target} cannot be written: ${messageOf(error)}`;
  if (isFull(error)) {
    return new UmbraError('TARGET_FULL', `the disk of ${target} is full`, {
      hint: 'Make room there and run the command again.',
      cause: error,
    });
  }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new UmbraError('TARGET_FAILED', said, {
      hint: 'Make the directory first, or give another path.',
      cause: error,
    });
  }
  return new UmbraError('TARGET_FAILED', said, { cause: error });
}

/** The error for a target that someone uses. */
export function busy(target: string, why: string, cause?: unknown): UmbraError {
  return new UmbraError('TARGET_BUSY', `${target} is in use: ${why}`, {
    hint: 'Unmount it, or stop what uses it, or restore to another target.',
    cause,
  });
}
