import { UmbraError } from '../../src/common/errors.js';
import { printable } from '../../src/common/printable.js';
import { list, record, text } from '../json-values.js';
import type { QmpClient } from './qmp.js';

/** Jobs that read or change the disks of a machine, and what lies behind what. */
const OF_DISKS: readonly unknown[] = ['commit', 'stream', 'mirror', 'backup'];
/** It is over, and somebody may still ask how it ended. */
const OVER: readonly unknown[] = ['concluded', 'null'];

/**
 * While a job of somebody else's runs, QEMU takes no overlay and merges none, and a disk that is mirrored looks like none.
 * @param own - the id of ours
 * @throws {UmbraError} TRACKER_BUSY
 */
export async function refuseJobs(qmp: QmpClient, own: string): Promise<void> {
  for (const job of list(await qmp.execute('query-jobs')).map(record)) {
    const { id, type, status } = job;
    if (id === own || !OF_DISKS.includes(type) || OVER.includes(status)) continue;
    const name = `${printable(text(id) ?? '')} (${String(type)})`;
    throw new UmbraError('TRACKER_BUSY', `another program's job ${name} runs in QEMU`, {
      hint: 'Wait until it has ended, or end it ("job-cancel").',
    });
  }
}
