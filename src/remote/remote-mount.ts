import { FilesService } from '../../mount/files/files-service.js';
import { findDevices } from '../../mount/files/find-devices.js';
import { openMounts } from '../../mount/mounts.js';
import type { Clock } from '../common/clock.js';
import type { Log } from '../common/log.js';
import type { MountInfo, MountRequest } from '../protocol/server-api.js';
import type { ServerLink } from './object-client.js';
import { openReading } from './reading.js';

export interface RemoteMountOptions {
  readonly link: ServerLink;
  readonly request: Omit<MountRequest, 'leased'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborted to unmount. */
  readonly signal: AbortSignal;
  /** Called when the mount answers. */
  readonly onMounted: (info: MountInfo) => void;
}

/**
 * Show the shadow copies of a server elsewhere on this machine, until somebody unmounts them or `signal` does. This process
 * must not touch the mount.
 * @throws {UmbraError} MOUNT_POINT, MOUNT_FAILED, NOT_FOUND, PROGRAM_MISSING; what the server can't be reached with
 */
export async function remoteMount({ link, request, clock, log, signal, onMounted }: RemoteMountOptions): Promise<void> {
  const unmounted = new AbortController();
  const { source, close } = await openReading({ link, clock, signal: unmounted.signal });
  const files = new FilesService({ source, find: findDevices, clock, log });
  try {
    const mounts = await openMounts({ store: undefined, source, files, log, clock });
    try {
      const mount = await mounts.mount(request);
      onMounted(mount.info);
      await Promise.race([mount.ended, aborted(signal)]);
    } finally {
      await mounts.close();
    }
  } finally {
    unmounted.abort();
    files.close();
    await close();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    });
    if (signal.aborted) resolve();
  });
}
