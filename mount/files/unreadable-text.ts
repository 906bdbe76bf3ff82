import { isUmbraError, messageOf } from '../../src/common/errors.js';

/** Why a file system could not be opened, and what to do, for people. */
export function unreadableText(name: string, error: unknown): string {
  const raw = 'The raw volume stands in volumes/, as it was.';
  const hint = isUmbraError(error) && error.hint !== undefined ? `\n${error.hint}` : '';
  return `The files of ${name} cannot be shown: ${messageOf(error)}.${hint}\n${raw}\n`;
}
