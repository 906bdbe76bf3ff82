import { UmbraError } from '../common/errors.js';
import { boolean, machine, object, oneOf, path, string, validator, version } from '../common/params.js';

/** The parameters of operations on files, as src/protocol/files-api.ts has them; unknown fields are refused. */

const MAX_PATH_CHARACTERS = 64 * 1024;

const GUEST_PATH = {
  type: 'string',
  maxLength: MAX_PATH_CHARACTERS,
  pattern: '^(?:/|(?:/(?!\\.{1,2}(?:/|$))[^/\\u0000]+)+)$',
  examples: ['/vda1/etc/passwd'],
} as const;

/** A path in a guest: absolute, escaped, without empty names, `.` and `..`. Guests' paths can be longer than Linux'. */
const guestPath = validator(GUEST_PATH, (value, field): string => {
  const isPath = typeof value === 'string' && value.startsWith('/') && value.length <= MAX_PATH_CHARACTERS;
  const names = isPath && value !== '/' ? value.slice(1).split('/') : [];
  if (!isPath || value.includes('\0') || names.some((name) => name === '' || name === '.' || name === '..')) {
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must be an absolute path of a guest, like /vda1/etc/passwd`);
  }
  return value;
});

const fileType = oneOf('file', 'directory', 'symlink', 'character-device', 'block-device', 'fifo', 'socket');

export const listFilesParams = object({ machine, version, details: boolean }, { path: guestPath });
export const readFileParams = object({ machine, version, path: guestPath });
export const copyFilesParams = object(
  { machine, version, path: guestPath, to: path, toDirectory: boolean, recursive: boolean, force: boolean },
  { contents: boolean },
);
export const fileHistoryParams = object({ machine, path: guestPath });
export const findFilesParams = object({ machine, glob: string, ignoreCase: boolean }, { version, type: fileType });
export const diffFilesParams = object({ machine, from: version, toMachine: machine, to: version });
