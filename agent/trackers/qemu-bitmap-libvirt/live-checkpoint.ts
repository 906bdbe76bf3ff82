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
import type { MadeCheckpoints } from './made-checkpoints.js';
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

/** What a standstill may have begun, whatever became of it. */
export interface BegunBackup {
  /** The name of libvirt's new checkpoint, as soon as there may be one. */
  checkpoint: string | undefined;
  /** Settles when libvirt has answered; undefined if it was never asked. Never rejects. */
  answered: Promise<unknown> | undefined;
}

/**
 * Begin a backup while the guest's file systems are at rest, if they can be. QEMU does it to all disks in one instant, so its
 * processors need not be stopped.
 *
 * libvirt's checkpoint is made a moment before, while the guest goes on: made with the backup it costs 30 to 40 ms more of a
 * standstill. What is written in between is in the backup, and counts as written after the checkpoint too: the next one reads it again.
 * @param plan - `name`: of libvirt's new checkpoint, of which there is one if the plan `records`
 * @param begun - a checkpoint that is there already is not made again
 * @throws {UmbraError} TRACKER_FAILED, CANCELLED, SCRIPT_FAILED, HYPERVISOR_*
 */
export async function beginBackup(
  libvirt: Libvirt,
  domain: Domain,
  plan: BackupPlan & { readonly name: string; readonly socketPath: string; readonly records: boolean },
  settings: StandstillSettings & { readonly signal: AbortSignal; readonly made: MadeCheckpoints },
  begun: BegunBackup,
): Promise<Standstill<void>> {
  const backup = backupXml(plan.disks, plan.socketPath, plan.since);
  const checkpoint = plan.records ? checkpointXml(plan.name, plan.disks) : undefined;
  const justBefore = async (): Promise<void> => {
    if (checkpoint === undefined || begun.checkpoint !== undefined) return;
    await settings.made.add(plan.name);
    begun.checkpoint = plan.name;
    await libvirt.createCheckpoint(domain, checkpoint);
  };
  const jobs = await watchBegunJobs(libvirt, domain, settings.log);
  let answer: Promise<void> | undefined;
  let done: Standstill<void>;
  try {
    done = await standstill(new NeverPaused(libvirt, domain), { ...settings, justBefore }, async (signal) => {
      answer = pastTakenNames(() => libvirt.backupBegin(domain, backup, undefined, 'reuse'));
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
