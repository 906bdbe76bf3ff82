import { setTimeout } from 'node:timers/promises';
import { list, record, text } from '../../json-values.js';
import type { QmpCommands } from '../../qemu/commands.js';
import type { WhileStill } from './overlay-machine.js';

/** The job of ours in a QEMU, which merges. */
export const MERGE_JOB = 'umbra-merge';

const POLL_MS = 20;
const QUICK_POLL_MS = 1;

/** Begin to merge what lies between two nodes, the upper one too, into the lower one. @param root - of the disk */
export async function beginMerge(qmp: QmpCommands, root: string, top: string, base: string): Promise<void> {
  await qmp.execute('block-commit', {
    'job-id': MERGE_JOB,
    device: root,
    'top-node': top,
    'base-node': base,
    'auto-dismiss': false,
  });
}

/**
 * See the job of ours to its end, if there is one. A guest that writes while QEMU takes away what it writes to may be the
 * end of QEMU (7.2.22: `bdrv_co_write_req_prepare: Assertion child->perm & BLK_PERM_WRITE failed`): so it stands still.
 * @param atTop - what is done when all is merged that the guest has written so far
 * @returns why it failed
 */
export async function endMerge(
  qmp: QmpCommands,
  atTop: 'job-complete' | 'job-cancel',
  whileStill: WhileStill,
): Promise<string | undefined> {
  const status = await statusOf(qmp, ['ready', 'concluded', 'none'], POLL_MS);
  if (status === 'ready') {
    await whileStill(async () => {
      await qmp.execute(atTop, { id: MERGE_JOB });
      await statusOf(qmp, ['concluded', 'none'], QUICK_POLL_MS);
    });
  }
  const ended = await job(qmp);
  if (ended === undefined) return undefined;
  await qmp.execute('job-dismiss', { id: MERGE_JOB });
  return text(ended['error']);
}

/** Wait until the job of ours is at one of these. */
async function statusOf(qmp: QmpCommands, wanted: readonly string[], pollMs: number): Promise<string> {
  for (;;) {
    const status = text((await job(qmp))?.['status']) ?? 'none';
    if (wanted.includes(status)) return status;
    await setTimeout(pollMs);
  }
}

async function job(qmp: QmpCommands): Promise<Readonly<Record<string, unknown>> | undefined> {
  const jobs = list(await qmp.execute('query-jobs')).map(record);
  return jobs.find(({ id }) => id === MERGE_JOB);
}
