import { UmbraError } from '../../src/common/errors.js';
import { readMounts, type MountEntry } from '../../src/system/mounts.js';

/**
 * The thread that serves a mount must never wait for it in the kernel, as asking for the holes of a
 * file in it would. What lies there is in a store already.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export async function refuseOwnMount(path: string, realPath: string): Promise<void> {
  const mount = coveringMount(await readMounts(), realPath);
  if (mount?.type !== 'fuse.umbra') return;
  throw new UmbraError('BAD_ARGUMENT', `${path} lies in a mount of Umbra, ${mount.mountPoint}`, {
    hint: 'It is a shadow copy already. To protect it as another machine, copy it out first.',
  });
}

/** The mount that `path` is on: the longest mount point above it, the last one mounted there. */
export function coveringMount(mounts: readonly MountEntry[], path: string): MountEntry | undefined {
  const above = mounts.filter(({ mountPoint }) => {
    return path === mountPoint || path.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`);
  });
  const longest = Math.max(...above.map(({ mountPoint }) => mountPoint.length));
  return above.findLast(({ mountPoint }) => mountPoint.length === longest);
}
