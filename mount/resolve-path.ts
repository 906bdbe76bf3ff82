import { lstat, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, systemCode, UmbraError } from '../src/common/errors.js';

export interface ResolvedPath {
  /** Without links, as far as it exists. */
  readonly path: string;
  /** The mount of Umbra that the path leads to or into. */
  readonly mount?: string;
}

const MAX_LINKS = 40;

/**
 * What `realpath` does, but never touching a mount of Umbra: a process must not wait for a mount that it serves
 * itself, and a dead one has no answers. What does not exist stays as it is.
 * @param mounts the mount points of all mounts of Umbra
 * @throws {UmbraError} MOUNT_POINT
 */
export async function resolvePath(path: string, mounts: ReadonlySet<string>): Promise<ResolvedPath> {
  const pending = path.split('/');
  let current = '/';
  let links = 0;
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      current = dirname(current);
      continue;
    }
    const next = join(current, name);
    if (mounts.has(next)) return { path: join(next, ...pending), mount: next };
    const target = await linkTarget(next);
    if (target === undefined) return { path: join(next, ...pending) };
    if (target === next) {
      current = next;
      continue;
    }
    if (++links > MAX_LINKS) throw new UmbraError('MOUNT_POINT', `${path}: too many levels of symbolic links`);
    if (target.startsWith('/')) current = '/';
    pending.unshift(...target.split('/'));
  }
  return { path: current };
}

/** A link's target, the path itself when it is no link, or undefined when it does not exist. */
async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : path;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new UmbraError('MOUNT_POINT', `cannot look at ${path}: ${messageOf(error)}`, { cause: error });
  }
}
