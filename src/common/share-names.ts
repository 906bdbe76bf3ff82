import { UmbraError } from './errors.js';
import type { JsonSchema } from './json-schema.js';
import { checkMachineName } from './names.js';

/** A network name for a directory of a machine's files. */
export interface Share {
  readonly name: string;
  readonly machine: string;
  /** Below `files/`, without a slash at its beginning: the file system and a path in it, `vda1/srv/data`. */
  readonly path: string;
}

/** Samba takes more, Windows no more. */
const SHARE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;
/** Sections of smb.conf and shares of Windows that mean something else. */
const RESERVED = ['global', 'homes', 'printers', 'ipc', 'admin'];
const MAX_PATH = 4096;

/** What {@link isShareName} takes. */
export const SHARE_NAME_SCHEMA: JsonSchema = {
  type: 'string',
  pattern: SHARE_NAME.source,
  not: { pattern: `^(?:${RESERVED.map(inAnyCase).join('|')})$` },
  examples: ['data'],
};

/** The form of what {@link isSharePath} takes, as a regular expression. */
export const SHARE_PATH = '^(?!\\.{1,2}(?:/|$))[^/\\u0000]+(?:/(?!\\.{1,2}(?:/|$))[^/\\u0000]+)*$';

/** JSON schemas have no patterns that don't see case. */
function inAnyCase(word: string): string {
  return word.replace(/./g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}

/** True if `name` may be a share's name. */
export function isShareName(name: string): boolean {
  return SHARE_NAME.test(name) && !RESERVED.includes(name.toLowerCase());
}

/** @throws {UmbraError} BAD_NAME */
export function checkShareName(name: string): string {
  if (isShareName(name)) return name;
  throw new UmbraError('BAD_NAME', `${JSON.stringify(name)} is not a name for a share`, {
    hint: 'Use letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 80 characters; not "global", "homes" or "printers".',
  });
}

/** True if `path` is one below `files/` as {@link Share} has it. */
export function isSharePath(path: string): boolean {
  if (path.length > MAX_PATH || path.includes('\0')) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/**
 * `MACHINE:PATH`, split; slashes at both ends of the path and double ones do not count.
 * @throws {UmbraError} BAD_NAME, BAD_ARGUMENT
 */
export function parseShareTarget(text: string): Omit<Share, 'name'> {
  const colon = text.indexOf(':');
  const path = text
    .slice(colon + 1)
    .split('/')
    .filter((part) => part !== '')
    .join('/');
  if (colon < 0 || !isSharePath(path)) {
    throw new UmbraError('BAD_ARGUMENT', `${JSON.stringify(text)} does not say which directory to share`, {
      hint: 'Give MACHINE:PATH, the path as in "files" of the mount: web1:/vda1/srv/data.',
    });
  }
  return { machine: checkMachineName(text.slice(0, colon)), path };
}
