import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';

import type { BigIntStats } from 'node:fs';
import { systemCode } from '../common/errors.js';
import { findRangeLock, tryLockRange } from '../system/file-locks.js';
import type { MountEntry } from '../system/mounts.js';
import { busy } from './target-error.js';
import { isInUmbraMount } from './target-path.js';

/** File systems that know no locks, and so have nobody to ask. */
const NO_LOCKS = new Set(['ENOLCK', 'ENOSYS', 'EOPNOTSUPP', 'EINVAL']);

/**
 * Lock an open target, so that QEMU, another restore, or a backup can't open it meanwhile, and refuse it when one of
 * those has it open. The lock goes when the file is closed.
 * @throws {UmbraError} TARGET_BUSY
 */
export function lockTarget(fd: number, file: string): void {
  try {
    // QEMU's locks are on single bytes, a whole-file lock excludes all of them.
    if (tryLockRange(fd, 'exclusive', 0, 0)) return;
    const pid = findRangeLock(fd, 'exclusive', 0, 0)?.pid;
    throw busy(file, pid === undefined ? 'a program, perhaps QEMU, has locked it' : `process ${pid} has locked it`);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || !NO_LOCKS.has(code)) throw error;
  }
}

/**
 * Refuse a file that a loop device shows.
 * @throws {UmbraError} TARGET_BUSY
 */
export async function assertNoLoopDevice(file: string, stats: BigIntStats, mounts: readonly MountEntry[]): Promise<void> {
  for (const device of await namesIn('/sys/block')) {
    const backing = await textOf(`/sys/block/${device}/loop/backing_file`);
    if (backing === undefined) continue;
    if (backing === file || (await isSameFile(backing, stats, mounts))) throw busy(file, `the loop device /dev/${device} shows it`);
  }
}

/**
 * Refuse a block device that is mounted, or a partition of which is.
 * @throws {UmbraError} TARGET_BUSY
 */
export async function assertNotMounted(device: string, rdev: bigint, mounts: readonly MountEntry[]): Promise<void> {
  const number = deviceNumber(rdev);
  const numbers = new Set([number]);
  for (const part of await namesIn(`/sys/dev/block/${number}`)) {
    const directory = path.join('/sys/dev/block', number, part);
    if ((await textOf(path.join(directory, 'partition'))) === undefined) continue;
    const partition = await textOf(path.join(directory, 'dev'));
    if (partition !== undefined) numbers.add(partition);
  }
  for (const mount of mounts) {
    if (!numbers.has(mount.device)) continue;
    const what = mount.device === number ? 'it' : 'a partition of it';
    throw busy(device, `${what} is mounted on ${mount.mountPoint}`);
  }
}

/** `MAJOR:MINOR` in decimal, as /sys and /proc/self/mountinfo write it; see makedev(3) for the bits. */
export function deviceNumber(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

async function isSameFile(file: string, stats: BigIntStats, mounts: readonly MountEntry[]): Promise<boolean> {
  // A loop device may show a volume in our own mount; the target is not there, and a look would wait for ourselves.
  if (isInUmbraMount(file, mounts)) return false;
  try {
    const { dev, ino } = await stat(file, { bigint: true });
    return dev === stats.dev && ino === stats.ino;
  } catch {
    // Deleted, or seen from another mount namespace: not the target's path.
    return false;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    // Without /sys there is nothing to find out; opening the device exclusively still excludes most.
    return [];
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trimEnd();
  } catch {
    return undefined;
  }
}
