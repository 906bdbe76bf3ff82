import { lstat, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { messageOf, systemCode, UmbraError } from '../src/common/errors.js';
import type { Log } from '../src/common/log.js';
import { readMounts, type MountEntry } from '../src/system/mounts.js';
import { cleanIfDead, isUmbraMount } from './dead-mounts.js';
import { resolvePath } from './resolve-path.js';

/** fuse-native cuts paths at 1,023 bytes. */
const MAX_PATH_BYTES = 1000;

export interface MountPointOptions {
  /** As the user gave it, absolute. */
  readonly mountPoint: string;
  /** The store's directory, absolute; undefined for one that is elsewhere. */
  readonly store: string | undefined;
  readonly log: Log;
}

/**
 * Makes sure that `mountPoint` can be mounted on: an empty directory, made if it is missing, not in, above or at the
 * store, with nothing mounted on it. A dead mount of Umbra is taken away first.
 * @returns its path without links, as the kernel's table will show it
 * @throws {UmbraError} MOUNT_POINT, MOUNT_FAILED
 */
export async function prepareMountPoint({ mountPoint, store, log }: MountPointOptions): Promise<string> {
  checkForm(mountPoint);
  const path = await resolveFree(mountPoint, log);
  if (store !== undefined) await refuseStore(path, store);
  try {
    await makeDirectories(path);
    await refuseUnfit(path);
  } catch (error) {
    if (error instanceof UmbraError) throw error;
    throw new UmbraError('MOUNT_POINT', `cannot use ${path}: ${messageOf(error)}`, { cause: error });
  }
  return path;
}

/** The mount of Umbra at the path, whoever serves it. The path's own links are followed, the mount is not touched. */
export async function findMount(mountPoint: string): Promise<MountEntry | undefined> {
  const mounts = await readMounts();
  const { path } = await resolvePath(mountPoint, umbraMountPoints(mounts));
  return mounts.findLast((entry) => isUmbraMount(entry) && entry.mountPoint === path);
}

function checkForm(mountPoint: string): void {
  const bytes = Buffer.from(mountPoint);
  if (!isAbsolute(mountPoint)) throw new UmbraError('MOUNT_POINT', `${mountPoint} is not an absolute path`);
  if (mountPoint.includes('\0') || bytes.toString() !== mountPoint) {
    throw new UmbraError('MOUNT_POINT', `${JSON.stringify(mountPoint)} is not a path`);
  }
  if (bytes.length > MAX_PATH_BYTES) {
    throw new UmbraError('MOUNT_POINT', `the path of the mount point has more than ${MAX_PATH_BYTES} bytes`);
  }
}

/** Resolves the path, and finds that nothing is mounted there, except what it could take away. */
async function resolveFree(mountPoint: string, log: Log): Promise<string> {
  for (;;) {
    const mounts = await readMounts();
    const { path, mount } = await resolvePath(mountPoint, umbraMountPoints(mounts));
    if (mount !== undefined) {
      if (await cleanIfDead(mount, log)) continue;
      throw new UmbraError('MOUNT_POINT', inUse(path, mount), {
        hint: `Use another directory, or unmount it first: umbra unmount ${mount}`,
      });
    }
    if (!mounts.some((entry) => entry.mountPoint === path)) return path;
    throw new UmbraError('MOUNT_POINT', `something else is mounted at ${path}`, { hint: 'Use another directory.' });
  }
}

function inUse(path: string, mount: string): string {
  if (path === mount) return `shadow copies are already mounted at ${mount}`;
  return `${path} lies inside the mount of shadow copies at ${mount}`;
}

function umbraMountPoints(mounts: readonly MountEntry[]): ReadonlySet<string> {
  return new Set(mounts.filter(isUmbraMount).map((entry) => entry.mountPoint));
}

/** Directories are compared by device and inode number, so that bind mounts are seen through as well. */
async function refuseStore(path: string, store: string): Promise<void> {
  const storePath = await realpath(store);
  const storeId = await identity(storePath);
  const id = await identity(path);
  for (const above of ancestors(path)) {
    if ((await identity(above)) === storeId) throw overlap(path, 'inside', store);
  }
  if (id === undefined) return;
  for (const above of ancestors(storePath)) {
    if ((await identity(above)) === id) throw overlap(path, 'above', store);
  }
}

function overlap(path: string, where: 'inside' | 'above', store: string): UmbraError {
  return new UmbraError('MOUNT_POINT', `${path} lies ${where} the store ${store}`, {
    hint: 'Use a directory that neither lies in the store nor holds it.',
  });
}

/** The path and every directory above it. */
function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [path, ...ancestors(parent)];
}

async function identity(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await lstat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** Node.js' recursive mkdir never returns where the kernel answers ENOENT for ever, as in /proc. */
async function makeDirectories(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    if (systemCode(error) !== 'ENOENT') throw error;
    await makeDirectories(dirname(path));
    await mkdir(path);
  }
}

async function refuseUnfit(path: string): Promise<void> {
  const found = await stat(path);
  if (!found.isDirectory()) throw new UmbraError('MOUNT_POINT', `${path} is not a directory`);
  // fuse-native refuses this as well, but says less.
  if ((await stat(dirname(path))).dev !== found.dev) {
    throw new UmbraError('MOUNT_POINT', `${path} is the top of a file system or subvolume`, {
      hint: 'Use a directory below it.',
    });
  }
  if ((await readdir(path)).length > 0) {
    throw new UmbraError('MOUNT_POINT', `${path} is not empty`, {
      hint: 'The mount would hide what is in it: use an empty directory, or one that does not exist yet.',
    });
  }
}
