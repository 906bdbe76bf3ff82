import { lstat, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';

import { PRODUCT } from '../codec/formats.js';
import { systemCode, UmbraError } from '../common/errors.js';
import type { MountEntry } from '../system/mounts.js';
import { targetError } from './target-error.js';

/** As many symbolic links as the kernel follows. */
const MAX_LINKS = 40;

/**
 * The path of a target without symbolic links. What does not exist (yet) is kept as it is. The walk stops before it
 * touches a mount of Umbra: a process that serves a mount must never wait for it.
 *
 * @param file absolute
 * @throws {UmbraError} TARGET_REFUSED when it lies in a mount of Umbra, TARGET_FAILED
 */
export async function resolveTarget(file: string, mounts: readonly MountEntry[]): Promise<string> {
  const rest = file.split('/');
  let done = '/';
  let links = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '' || name === '.') continue;
    const next = name === '..' ? path.dirname(done) : path.join(done, name);
    assertNotInMount(file, next, mounts);
    const link = await linkAt(next, file);
    if (link === undefined) {
      done = next;
      continue;
    }
    if (++links > MAX_LINKS) throw new UmbraError('TARGET_FAILED', `${file} leads through too many symbolic links`);
    rest.unshift(...link.split('/'));
    if (path.isAbsolute(link)) done = '/';
  }
  return done;
}

/**
 * Refuse a target inside the store, if it is on this machine, or inside any other store.
 * @param resolved as {@link resolveTarget} gives it
 * @throws {UmbraError} TARGET_REFUSED
 */
export async function assertNotInStore(
  resolved: string,
  storeDirectory: string | undefined,
  mounts: readonly MountEntry[],
): Promise<void> {
  const own = storeDirectory === undefined ? undefined : await resolveTarget(storeDirectory, mounts);
  for (let directory = resolved; ; directory = path.dirname(directory)) {
    if (directory === own || (await isStore(directory))) {
      throw new UmbraError('TARGET_REFUSED', `${resolved} lies in the store ${directory}`, {
        hint: 'Give a path outside of every store.',
      });
    }
    if (directory === '/') return;
  }
}

/** True if `file` is in or on a mount of Umbra; nothing is touched for it. */
export function isInUmbraMount(file: string, mounts: readonly MountEntry[]): boolean {
  let covering: MountEntry | undefined;
  for (const mount of mounts) {
    const covers = isWithin(file, mount.mountPoint);
    // Of several mounts on one mount point, the later one is what is seen.
    if (covers && (covering === undefined || mount.mountPoint.length >= covering.mountPoint.length)) covering = mount;
  }
  return (
    covering !== undefined &&
    (covering.type === 'fuse.umbra' || (covering.type === 'fuse' && covering.source === 'umbra'))
  );
}

function assertNotInMount(file: string, at: string, mounts: readonly MountEntry[]): void {
  if (!isInUmbraMount(at, mounts)) return;
  throw new UmbraError('TARGET_REFUSED', `${file} lies in a mount of Umbra, which is read-only`, {
    hint: 'Give a path outside of the mount.',
  });
}

/** Where the symbolic link at `at` leads; undefined if there is none. */
async function linkAt(at: string, file: string): Promise<string | undefined> {
  try {
    return (await lstat(at)).isSymbolicLink() ? await readlink(at) : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw targetError(file, error);
  }
}

async function isStore(directory: string): Promise<boolean> {
  const file = path.join(directory, 'format');
  try {
    if (!(await lstat(file)).isFile()) return false;
    const record: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof record === 'object' && record !== null && 'product' in record && record.product === PRODUCT;
  } catch {
    // No such file, not ours to read, or not JSON: no store of Umbra.
    return false;
  }
}

function isWithin(file: string, directory: string): boolean {
  return file === directory || directory === '/' || file.startsWith(`${directory}/`);
}
