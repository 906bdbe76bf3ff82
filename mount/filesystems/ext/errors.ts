import { UmbraError } from '../../../src/common/errors.js';

/** The error for what makes no sense. */
export function damaged(what: string): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', what);
}

/** The error for what is not read; `hint` says what to do instead. */
export function unreadable(what: string, hint: string): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', what, { hint });
}
