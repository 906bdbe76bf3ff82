import { messageOf } from '../src/common/errors.js';
import type { Log } from '../src/common/log.js';
import { readMounts, type MountEntry } from '../src/system/mounts.js';
import { isDeadMount, unmountPath } from '../src/system/fuse/unmount.js';

/** The file system type of Umbra's mounts in the kernel's table. */
export const MOUNT_TYPE = 'fuse.umbra';

export function isUmbraMount(entry: MountEntry): boolean {
  return entry.type === MOUNT_TYPE;
}

/**
 * Takes away the mounts that killed servers of this user left behind: programs get
 * "Transport endpoint is not connected" from them for ever. Live mounts are left alone.
 */
export async function cleanDeadMounts(log: Log): Promise<void> {
  const uid = process.getuid?.() ?? 0;
  const candidates = (await readMounts()).filter(
    (entry) => isUmbraMount(entry) && entry.superOptions.includes(`user_id=${uid}`),
  );
  for (const mountPoint of new Set(candidates.map((entry) => entry.mountPoint))) {
    try {
      await cleanIfDead(mountPoint, log);
    } catch (error) {
      log.warn('mount: a dead mount could not be taken away', { mountPoint, reason: messageOf(error) });
    }
  }
}

/**
 * True if a dead mount was there and is gone now.
 * @throws {UmbraError} MOUNT_FAILED
 */
export async function cleanIfDead(mountPoint: string, log: Log): Promise<boolean> {
  if (!(await isDeadMount(mountPoint))) return false;
  try {
    await unmountPath(mountPoint, { lazy: true });
  } catch (error) {
    // Another server, which looks for dead mounts when it starts, may have taken it away in the same moment.
    if (await isDeadMount(mountPoint)) throw error;
    return true;
  }
  log.info('mount: took away a dead mount', { mountPoint });
  return true;
}
