import { UmbraError } from '../../src/common/errors.js';
import { printable } from '../../src/common/printable.js';
import type { SkippedVolume } from '../../src/protocol/agents-api.js';
import { list, record, text } from '../json-values.js';
import type { QmpCommands } from './commands.js';
import { HIDDEN_BY_JOB } from './disks.js';

/** Jobs that read or change the disks of a machine, and what lies behind what. */
const OF_DISKS: readonly unknown[] = ['commit', 'stream', 'mirror', 'backup'];
/** It is over, and somebody may still ask how it ended. */
const OVER: readonly unknown[] = ['concluded', 'null'];

/** @param skipped - as findDisks has it. @throws {UmbraError} TRACKER_BUSY if a job hides one of them */
export function refuseHidden(skipped: readonly SkippedVolume[]): void {
  const hidden = skipped.find(({ reason }) => reason === HIDDEN_BY_JOB);
  if (hidden !== undefined) throw busy(`job of ${hidden.name}`);
}

/**
 * While a job of somebody else's runs, QEMU takes no overlay and merges none.
 * @param own - the id of ours
 * @throws {UmbraError} TRACKER_BUSY
 */
export async function refuseJobs(qmp: QmpCommands, own: string): Promise<void> {
  for (const job of list(await qmp.execute('query-jobs')).map(record)) {
    const { id, type, status } = job;
    if (id === own || !OF_DISKS.includes(type) || OVER.includes(status)) continue;
    throw busy(`job ${printable(text(id) ?? '')} (${String(type)})`);
  }
}

function busy(job: string): UmbraError {
  return new UmbraError('TRACKER_BUSY', `another program's ${job} runs in QEMU`, {
    hint: 'Wait until it has ended, or end it ("job-cancel").',
  });
}
