import { UmbraError } from '../../../src/common/errors.js';
import type { Clock } from '../../../src/common/clock.js';
import type { Log } from '../../../src/common/log.js';
import type { CheckpointScripts } from '../../checkpoints/scripts.js';
import { standstill, type Standstill } from '../../checkpoints/standstill.js';
import type { StandstillNotes } from '../../checkpoints/standstill-note.js';
import { NeverPaused } from '../../libvirt/guest-control.js';
import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import { pastTakenNames } from '../../libvirt/taken-names.js';
import { backupXml, checkpointXml } from './backup-xml.js';
import { watchBegunJobs } from './begun-jobs.js';
import type { BackupPlan } from './plan.js';

export interface StandstillSettings {
  readonly machine: string;
  readonly quiesce: boolean;
  readonly freezeMs: number;
  readonly actionMs: number;
  readonly scripts?: CheckpointScripts;
  readonly notes: StandstillNotes;
  readonly clock: Clock;
  readonly log: Log;
}

/** A backup job that may have begun, whatever became of the standstill. */
export interface BegunBackup {
  /** Settles when libvirt has answered; undefined if it was never asked. Never rejects. */
  answered: Promise<unknown> | undefined;
}

/**
 * Begin a backup with a checkpoint while the guest's file systems are at rest, if they can be. QEMU does it to all disks in
 * one instant, so its processors need not be stopped.
 * @param plan - `name`: of libvirt's new checkpoint, of which there is one if the plan `records`
 * @throws {UmbraError} TRACKER_FAILED, CANCELLED, SCRIPT_FAILED, HYPERVISOR_*
 */
export async function beginBackup(
  libvirt: Libvirt,
  domain: Domain,
  plan: BackupPlan & { readonly name: string; readonly socketPath: string; readonly records: boolean },
  settings: StandstillSettings & { readonly signal: AbortSignal },
  begun: BegunBackup,
): Promise<Standstill<void>> {
  const backup = backupXml(plan.disks, plan.socketPath, plan.since);
  const checkpoint = plan.records ? checkpointXml(plan.name, plan.disks) : undefined;
  const jobs = await watchBegunJobs(libvirt, domain, settings.log);
  let answer: Promise<void> | undefined;
  let done: Standstill<void>;
  try {
    done = await standstill(new NeverPaused(libvirt, domain), settings, async (signal) => {
      answer = pastTakenNames(() => libvirt.backupBegin(domain, backup, checkpoint, 'reuse'));
      begun.answered = answer.catch(() => undefined);
      await Promise.race([answer, jobs.running]);
      if (signal.aborted) throw new UmbraError('TRACKER_FAILED', 'the machine went on before the checkpoint was made');
    });
  } finally {
    await jobs.stop();
  }
  await answer;
  // A guest that was not frozen ran on all the time.
  return done.consistency === 'crash' ? { ...done, pauseMs: 0 } : done;
}
