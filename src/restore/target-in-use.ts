import type { BigIntStats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';

import { systemCode } from '../common/errors.js';
import { blockDeviceUse } from '../system/block-device-users.js';
import { findRangeLock, tryLockRange } from '../system/file-locks.js';
import type { MountEntry } from '../system/mounts.js';
import { findOpeners, processName } from '../system/open-files.js';
import { busy } from './target-error.js';
import { isInUmbraMount } from './target-path.js';

/** What file systems say that know no locks, and so have nobody to ask. */
const NO_LOCKS = new Set(['ENOLCK', 'ENOSYS', 'EOPNOTSUPP', 'EINVAL']);

/**
 * Lock an open target, so that neither QEMU nor another restore opens it meanwhile, and refuse it when one of those has
 * it open. The lock goes when the file is closed.
 * @throws {UmbraError} TARGET_BUSY
 */
export function lockTarget(fd: number, file: string): void {
  try {
    // QEMU locks single bytes to say what it does; a lock on the whole file excludes all of them.
    if (tryLockRange(fd, 'exclusive', 0, 0)) return;
  } catch (error) {
    if (NO_LOCKS.has(systemCode(error) ?? '')) return;
    throw error;
  }
  const pid = findRangeLock(fd, 'exclusive', 0, 0)?.pid;
  const who = pid === undefined ? 'a program (a machine that runs, or another restore)' : processLabel(pid);
  throw busy(file, `${who} has locked it`);
}

/**
 * Refuse a target that a program has open for writing, with or without locks.
 * @throws {UmbraError} TARGET_BUSY
 */
export async function assertNoWriter(file: string): Promise<void> {
  const writer = (await findOpeners(file)).find(({ writable }) => writable);
  if (writer !== undefined) throw busy(file, `${processLabel(writer.pid)} has it open for writing`);
}

/**
 * Refuse a file that a loop device shows.
 * @throws {UmbraError} TARGET_BUSY
 */
export async function assertNoLoopDevice(
  file: string,
  stats: BigIntStats,
  mounts: readonly MountEntry[],
): Promise<void> {
  for (const device of await readdir('/sys/block').catch(() => [])) {
    const backing = await backingFile(device);
    if (backing === undefined) continue;
    const shown = backing === file || (await isSameFile(backing, stats, mounts));
    if (shown) throw busy(file, `the loop device /dev/${device} shows it`);
  }
}

/**
 * Refuse a block device that is mounted or part of another one, or a partition of which is.
 * @throws {UmbraError} TARGET_BUSY
 */
export async function assertNotMounted(device: string, rdev: bigint): Promise<void> {
  const use = await blockDeviceUse(rdev);
  if (use !== undefined) throw busy(device, `it, or a partition of it, is ${use}`);
}

async function backingFile(device: string): Promise<string | undefined> {
  const text = await readFile(`/sys/block/${device}/loop/backing_file`, 'utf8').catch(() => undefined);
  return text?.replace(/\n$/, '');
}

async function isSameFile(file: string, stats: BigIntStats, mounts: readonly MountEntry[]): Promise<boolean> {
  // A loop device may show a volume in our own mount; the target is not there, and a look would wait for ourselves.
  if (isInUmbraMount(file, mounts)) return false;
  try {
    const { dev, ino } = await stat(file, { bigint: true });
    return dev === stats.dev && ino === stats.ino;
  } catch {
    // Deleted, or named as another mount namespace sees it.
    return false;
  }
}

function processLabel(pid: number): string {
  return `${processName(pid)} (process ${pid})`;
}
