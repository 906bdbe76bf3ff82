import { messageOf, systemCode, UmbraError } from '../common/errors.js';

/** What was being done when LevelDB failed; it goes into the message. */
export type LevelAction = 'open' | 'read' | 'write' | 'compact';

const VERBS: Readonly<Record<LevelAction, string>> = {
  open: 'be opened',
  read: 'be read',
  write: 'be written',
  compact: 'be compacted',
};

// LevelDB turns errno into text, so text is all there is to match.
const NO_SPACE = /No space left on device|Disk quota exceeded/;
const MISSING_OR_SHORT = /No such file or directory|Invalid argument|missing files/;

/**
 * An error of classic-level as one of ours, with the original as its cause. `directory` names the
 * database in the message.
 *
 * A table that is missing or shorter than the manifest says is damage although LevelDB calls it
 * an I/O error; a disk that does not answer is a failure.
 */
export function levelError(error: unknown, action: LevelAction, directory: string): UmbraError {
  if (error instanceof UmbraError) return error;
  const cause = rootCause(error);
  const code = systemCode(cause);
  const text = messageOf(cause);
  const what = `the database ${directory} cannot ${VERBS[action]}`;
  if (code === 'LEVEL_LOCKED') return inUseError(directory, cause);
  if (NO_SPACE.test(text) || code === 'ENOSPC' || code === 'EDQUOT') {
    return new UmbraError('STORE_FULL', `${what}: the disk is full`, {
      hint: 'Make room on the disk that holds the store.',
      cause,
    });
  }
  if (code === 'LEVEL_CORRUPTION' || (code === 'LEVEL_IO_ERROR' && MISSING_OR_SHORT.test(text))) {
    return new UmbraError('STORE_DAMAGED', `${what}: ${text}`, {
      hint: 'Run "umbra verify" to see what is damaged, or "umbra rebuild" if the store cannot be opened.',
      cause,
    });
  }
  return new UmbraError('STORE_FAILED', `${what}: ${text}`, { cause });
}

/** The error of opening a database that is open elsewhere. */
export function inUseError(directory: string, cause?: unknown): UmbraError {
  return new UmbraError('STORE_IN_USE', `the database ${directory} is in use`, {
    hint: 'Wait until the process that has it open has ended, or stop it.',
    cause,
  });
}

/** The error of an operation on a database that was closed. */
export function closedError(directory: string): UmbraError {
  return new UmbraError('STORE_FAILED', `the database ${directory} is closed`);
}

/** abstract-level wraps what LevelDB said, once or more. */
function rootCause(error: unknown): unknown {
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  return inner;
}
