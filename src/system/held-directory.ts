import { constants } from 'node:fs';
import { lstat, mkdtemp, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import { systemCode } from '../common/errors.js';
import { tryLockDirectory } from './file-locks.js';

/** A directory that this process alone uses, for a while. */
export interface HeldDirectory {
  readonly path: string;
  /** With all that is in it. */
  remove(): Promise<void>;
}

/**
 * Make a directory in another one, for this user only, and take away those that were left there. Whoever uses one holds a lock on it,
 * which goes with the process: of those that nobody holds a lock on, the process was killed.
 * @param prefix - what the names of such directories begin with: all that this user has there are made by this function
 * @throws system errors
 */
export async function makeHeldDirectory(parent: string, prefix: string): Promise<HeldDirectory> {
  await removeLeft(parent, prefix);
  for (;;) {
    const directory = await mkdtemp(path.join(parent, prefix));
    const held = await hold(directory, true);
    // Another run may have found it before it was locked, and taken it for one that was left.
    if (held !== undefined) return { path: directory, remove: () => removeHeld(directory, held) };
  }
}

/** What can't be looked at or taken away is in nobody's way: it is tried again the next time. */
async function removeLeft(parent: string, prefix: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const directory = path.join(parent, name);
    const held = await hold(directory, false).catch(() => undefined);
    if (held !== undefined) await removeHeld(directory, held).catch(() => undefined);
  }
}

async function removeHeld(directory: string, held: FileHandle): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } finally {
    await held.close();
  }
}

/**
 * Lock a directory until the handle is closed.
 * @param isNew - made by this process; then it is held where nothing can be locked, too: there nobody takes it away
 * @returns undefined if somebody else holds it, if it is another user's, or gone
 */
async function hold(directory: string, isNew: boolean): Promise<FileHandle | undefined> {
  const handle = await openDirectory(directory);
  if (handle === undefined) return undefined;
  try {
    // On a network's file system it may belong to nobody, though it was made here.
    const isOurs = isNew || (await handle.stat()).uid === process.geteuid?.();
    if (isOurs && (tryLockDirectory(handle.fd) ?? isNew) && (await hasItsName(directory, handle))) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

async function openDirectory(directory: string): Promise<FileHandle | undefined> {
  try {
    return await open(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Not taken away before it was locked. */
async function hasItsName(directory: string, handle: FileHandle): Promise<boolean> {
  const held = await handle.stat({ bigint: true });
  try {
    const { dev, ino } = await lstat(directory, { bigint: true });
    return dev === held.dev && ino === held.ino;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
