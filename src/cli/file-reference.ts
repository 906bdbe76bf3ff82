import { escapeName, unescapeName } from '../../mount/filesystems/names.js';
import { UmbraError } from '../common/errors.js';
import { parseMachineVersion } from '../common/names.js';

/** `MACHINE[@VERSION][:PATH]`, split. */
export interface FileReference {
  readonly machine: string;
  /** `latest` when none is given. */
  readonly version: string;
  /** True if the version was named. */
  readonly hasVersion: boolean;
  /** Absolute, escaped, without `.`, `..` and double slashes; undefined when none is given. */
  readonly path: string | undefined;
}

/** How a path is written, for hints. */
export const PATH_HINT = 'Files are named like web1:/vda1/etc/passwd; "umbra ls MACHINE" lists what there is.';

/** @throws {UmbraError} BAD_NAME, BAD_ARGUMENT */
export function parseFileReference(text: string): FileReference {
  const colon = text.indexOf(':');
  const subject = colon < 0 ? text : text.slice(0, colon);
  if (colon < 0 && subject.includes('/')) {
    throw new UmbraError('BAD_ARGUMENT', `"${text}" does not say of which machine`, { hint: PATH_HINT });
  }
  return {
    ...parseMachineVersion(subject),
    hasVersion: subject.includes('@'),
    path: colon < 0 ? undefined : normalizePath(text.slice(colon + 1)),
  };
}

/** As {@link parseFileReference}, of a file: it must have a path. */
export function parseFile(text: string): FileReference & { readonly path: string } {
  const reference = parseFileReference(text);
  if (reference.path === undefined) {
    throw new UmbraError('BAD_ARGUMENT', `"${text}" does not say which file`, { hint: PATH_HINT });
  }
  return { ...reference, path: reference.path };
}

/**
 * As {@link parseFile}, of a file in all shadow copies.
 * @throws {UmbraError} BAD_ARGUMENT when it names one
 */
export function parseFileOfAll(text: string): { readonly machine: string; readonly path: string } {
  const { machine, path, hasVersion } = parseFile(text);
  if (!hasVersion) return { machine, path };
  throw new UmbraError('BAD_ARGUMENT', `"${text}" names one shadow copy, and this is about all of them`, {
    hint: `Say ${machine}:${path}`,
  });
}

/** The one form of a path that the server knows. Names are what `umbra ls` prints. */
function normalizePath(path: string): string {
  if (path.includes('\0')) throw new UmbraError('BAD_ARGUMENT', 'a path has no NUL character', { hint: PATH_HINT });
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(escapeName(unescapeName(name)));
  }
  return `/${names.join('/')}`;
}
