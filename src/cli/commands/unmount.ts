import { cleanIfDead, isUmbraMount } from '../../../mount/dead-mounts.js';
import { findMount } from '../../../mount/mount-point.js';
import { requests } from '../../client/requests.js';
import { isUmbraError, UmbraError } from '../../common/errors.js';
import { silentLog } from '../../common/log.js';
import type { MountInfo } from '../../protocol/server-api.js';
import { readMounts } from '../../system/mounts.js';
import { unmountPath } from '../../system/fuse/unmount.js';
import { flagOption, word, type Command } from '../command.js';
import type { Session } from '../session.js';

export const command: Command = {
  usage: '<MOUNTPOINT>',
  synopsis: 'MOUNTPOINT [--force]',
  description: `End a mount, and return when it is gone. A mount that a killed server left behind is taken away too.`,
  examples: [['umbra unmount /mnt/umbra', '']],
  next: 'Next: "umbra status" lists the mounts that are left.',
  positionals: { MOUNTPOINT: word('The directory') },
  options: { force: flagOption('Also while files in it are open') },
  run: async (args, session) => {
    const mountPoint = args.path('MOUNTPOINT');
    const info = await unmount(mountPoint, args.flag('force'), session);
    session.answer(info, () => `unmounted ${mountPoint}\n`);
    return 'OK';
  },
};

/** Ask the server for it; without one, or when the mount is not its own, only a killed server can have made it. */
async function unmount(mountPoint: string, force: boolean, session: Session): Promise<MountInfo> {
  if (session.isRemote) return await unmountHere(mountPoint, force);
  try {
    return await session.client().call(requests.unmount({ mountPoint, force }));
  } catch (error) {
    if (!isUmbraError(error, 'SERVER_UNREACHABLE', 'STORE_NOT_FOUND', 'MOUNT_POINT')) throw error;
    if (!(await readMounts()).some((entry) => isUmbraMount(entry) && entry.mountPoint === mountPoint)) {
      throw notMounted(mountPoint);
    }
    if (!(await cleanIfDead(mountPoint, silentLog))) throw otherServer(mountPoint);
    return { mountPoint };
  }
}

/** A mount on this machine of a server elsewhere: the process that serves it ends with it. */
async function unmountHere(mountPoint: string, force: boolean): Promise<MountInfo> {
  if ((await findMount(mountPoint)) === undefined) throw notMounted(mountPoint);
  if (await cleanIfDead(mountPoint, silentLog)) return { mountPoint };
  const unmounting = unmountPath(mountPoint, { lazy: false });
  await (force ? unmounting.catch(() => unmountPath(mountPoint, { lazy: true })) : unmounting);
  return { mountPoint };
}

function notMounted(mountPoint: string): UmbraError {
  return new UmbraError('MOUNT_POINT', `nothing of Umbra is mounted at ${mountPoint}`, {
    hint: '"umbra status" lists the mounts of a store.',
  });
}

function otherServer(mountPoint: string): UmbraError {
  return new UmbraError('MOUNT_POINT', `${mountPoint} is a mount of another store`, {
    hint: 'Name its store with --store DIR, or its server with --server URL.',
  });
}
