import { isUmbraError, UmbraError } from '../common/errors.js';

/** What a share may not have yet, or not any more, is for its user to know. */
export function needsForce(error: unknown): never {
  if (!isUmbraError(error, 'NOT_FOUND', 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE')) throw error;
  const force = 'With --force it is shared all the same: another shadow copy may have it.';
  const hint = error.hint === undefined ? force : `${error.hint} ${force}`;
  throw new UmbraError(error.code, error.message, { hint, cause: error });
}
