import { setTimeout } from 'node:timers/promises';
import { messageOf, UmbraError } from '../../../src/common/errors.js';
import type { Clock } from '../../../src/common/clock.js';
import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import { libvirtNumber } from '../../libvirt/libvirt-error.js';
import { DOMAIN_STATE, LIBVIRT_ERROR, PAUSED } from '../../libvirt/protocol.js';
import { scratchDisks, type ScratchDisk } from './backup-xml.js';
import { isScratchPath } from './names.js';

const END_MS = 30_000;
const POLL_MS = 5;
/** No backup runs, or no QEMU: nothing is there to be ended. */
const NO_BACKUP: readonly (number | undefined)[] = [LIBVIRT_ERROR.noDomainBackup, LIBVIRT_ERROR.operationInvalid];

/** What libvirt says of a job that it has from before it was killed, without the backup that it was for. */
const LOST_JOB = 'backup job data missing';

/** `none`; `ours`: its scratch files lie in the machine's scratch directory; or somebody else's. */
export type RunningBackup = 'none' | 'ours' | 'foreign';

/** @throws {UmbraError} HYPERVISOR_* */
export async function runningBackup(
  libvirt: Libvirt,
  domain: Domain,
  scratchDirectory: string,
): Promise<RunningBackup> {
  const disks = await backupDisks(libvirt, domain);
  if (disks === undefined) return 'none';
  return disks.some(({ path }) => isScratchPath(path, scratchDirectory)) ? 'ours' : 'foreign';
}

/** The disks of the backup that runs; undefined if none does. */
async function backupDisks(libvirt: Libvirt, domain: Domain): Promise<readonly ScratchDisk[] | undefined> {
  try {
    return scratchDisks(await libvirt.backupXml(domain));
  } catch (error) {
    if (NO_BACKUP.includes(libvirtNumber(error))) return undefined;
    throw error;
  }
}

/**
 * A libvirtd that is killed just as it begins a backup has that job for ever after, waits for its end before it begins another one,
 * and has nothing that could be ended (9.0).
 * @throws {UmbraError} TRACKER_BUSY if that is so; HYPERVISOR_*
 */
export async function refuseLostJob(libvirt: Libvirt, domain: Domain): Promise<void> {
  try {
    await libvirt.hasJob(domain);
  } catch (error) {
    if (!messageOf(error).includes(LOST_JOB)) throw error;
    throw new UmbraError(
      'TRACKER_BUSY',
      `libvirt was ended as it began a backup of ${domain.name}, and waits for its end`,
      {
        hint: 'Shut the machine down, start libvirt again ("systemctl restart libvirtd"), and then the machine.',
        cause: error,
      },
    );
  }
}

/**
 * Whatever works on a domain as a whole: a backup, a migration, a save.
 * @throws {UmbraError} TRACKER_BUSY, HYPERVISOR_*
 */
export async function refuseJobs(libvirt: Libvirt, domain: Domain): Promise<void> {
  await refuseLostJob(libvirt, domain);
  if (!(await libvirt.hasJob(domain))) return;
  throw new UmbraError('TRACKER_BUSY', `a job of ${domain.name} runs`, {
    hint: `Wait until it has ended ("virsh domjobinfo ${domain.name}").`,
  });
}

/**
 * End the backup that runs, if it is ours; it is gone when this resolves, and its scratch files are in no use.
 * @throws {UmbraError} TRACKER_BUSY if it is somebody else's; TRACKER_FAILED if it does not end; HYPERVISOR_*
 */
export async function endBackup(
  libvirt: Libvirt,
  domain: Domain,
  scratchDirectory: string,
  clock: Clock,
): Promise<void> {
  const deadline = clock.monotonic() + END_MS;
  let disk: string | undefined;
  for (let isAsked = false; ; isAsked = true) {
    const running = await runningBackup(libvirt, domain, scratchDirectory);
    if (running === 'none') break;
    if (running === 'foreign') {
      throw new UmbraError('TRACKER_BUSY', `another program's backup of ${domain.name} runs`, {
        hint: `Wait until it has ended ("virsh domjobinfo"), or end it with "virsh domjobabort ${domain.name}".`,
      });
    }
    if (clock.monotonic() > deadline) {
      throw new UmbraError('TRACKER_FAILED', `the backup job of ${domain.name} does not end`);
    }
    // It ends a moment later, or has just ended by itself.
    if (!isAsked) {
      disk = (await backupDisks(libvirt, domain))?.[0]?.name;
      await libvirt.abortJob(domain).catch((error: unknown) => {
        if (!NO_BACKUP.includes(libvirtNumber(error))) throw error;
      });
    }
    await setTimeout(POLL_MS);
  }
  // libvirt forgets a backup before it has QEMU let go of the scratch files. What it is asked of a disk it looks up after that.
  if (disk !== undefined) await libvirt.blockInfo(domain, disk);
}

/**
 * QEMU stops a guest whose write fails since its old content found no room in the scratch file. When the backup is gone, the
 * write is done again.
 * @throws {UmbraError} HYPERVISOR_*
 */
export async function resumeStopped(libvirt: Libvirt, domain: Domain): Promise<void> {
  const { state, reason } = await libvirt.stateAndReason(domain);
  if (state === DOMAIN_STATE.paused && reason === PAUSED.byIoError) await libvirt.resume(domain);
}

/** End a backup of ours before it has failed, and let a guest go on that it has stopped. @throws {UmbraError} as {@link endBackup} */
export async function giveUpBackup(...backup: Parameters<typeof endBackup>): Promise<void> {
  const [libvirt, domain] = backup;
  await endBackup(...backup);
  await resumeStopped(libvirt, domain);
}
