import { systemCode, UmbraError } from '../common/errors.js';
import { targetError } from '../restore/target-error.js';
import { knownReason } from './copy-problems.js';

/** What an error that ended a copy to `target` means to the user. */
export function copyError(target: string, error: unknown): unknown {
  const reason = error instanceof UmbraError ? undefined : knownReason(systemCode(error));
  if (reason === undefined) return targetError(target, error);
  return new UmbraError('TARGET_FAILED', `${target} cannot be written: ${reason}`, { cause: error });
}
