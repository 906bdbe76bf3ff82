import { isUmbraError, systemCode, UmbraError } from '../common/errors.js';
import { isFull, targetError } from '../restore/target-error.js';
import { knownReason } from './copy-problems.js';

/**
 * What an error that ended a copy to `target` means to the user.
 * @param goOn the command that goes on with what is there already; undefined if that is the same command again
 */
export function copyError(target: string, error: unknown, goOn?: string): unknown {
  if (goOn !== undefined && isUmbraError(error, 'CANCELLED', 'SERVER_STOPPING')) {
    return new UmbraError(error.code, error.message, { hint: `To go on with it: ${goOn}`, cause: error });
  }
  if (goOn !== undefined && isFull(error)) {
    const hint = `Make room there, and go on with it: ${goOn}`;
    return new UmbraError('TARGET_FULL', `the disk of ${target} is full`, { hint, cause: error });
  }
  const reason = error instanceof UmbraError ? undefined : knownReason(systemCode(error));
  if (reason === undefined) return targetError(target, error);
  return new UmbraError('TARGET_FAILED', `${target} cannot be written: ${reason}`, { cause: error });
}

/**
 * The command that goes on with a copy of a directory. The same command again would not: it would copy into what is
 * there by now, under the directory's name.
 * @param source `MACHINE@SHADOW-COPY:PATH`
 */
export function goOnCommand(source: string, target: string): string {
  return `umbra cp -r --force ${quoted(`${source}/.`)} ${quoted(target)}`;
}

/** As a shell reads it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
