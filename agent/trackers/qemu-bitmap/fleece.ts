import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UmbraError } from '../../../src/common/errors.js';
import type { QmpClient } from '../../qemu/qmp.js';
import { beginRecording, type BitmapPlan } from './bitmaps.js';
import { READING_BITMAP, viewNames } from './names.js';
import { giveTo } from './nbd-server.js';

const SCRATCH = 'umbra-scratch-';
/**
 * The stable view of disks as of a checkpoint: from then on QEMU puts aside, in a scratch file, what the guest is about to
 * overwrite. A write whose old content can't be put aside goes on, and the view is lost.
 *
 * Each step of a disk: its scratch node; a copy-before-write filter, connected between device and disk while the guest
 * stands still; a snapshot-access node on it, which is exported. `cleanUp` takes all of them away.
 */
export async function prepareScratch(
  qmp: QmpClient,
  plans: readonly BitmapPlan[],
  scratchDirectory: string,
  owner: number,
): Promise<void> {
  await removeScratchFiles(scratchDirectory);
  const directory = await mkdtemp(join(scratchDirectory, SCRATCH));
  try {
    await giveTo(directory, owner);
    for (const [index, { disk }] of plans.entries()) {
      const filename = join(directory, String(index));
      await writeFile(filename, '', { flag: 'wx', mode: 0o600 });
      await truncate(filename, disk.sizeBytes);
      await giveTo(filename, owner);
      await qmp.execute('blockdev-add', { driver: 'file', 'node-name': viewNames.scratch(index), filename });
    }
  } finally {
    // QEMU has them open: what has no name is gone when QEMU lets go of it, whatever becomes of us.
    await rm(directory, { recursive: true, force: true });
  }
}

/** What an agent left that was killed between making scratch files and having them opened. */
export async function removeScratchFiles(scratchDirectory: string): Promise<void> {
  for (const name of await readdir(scratchDirectory)) {
    if (name.startsWith(SCRATCH)) await rm(join(scratchDirectory, name), { recursive: true, force: true });
  }
}

/**
 * Connect the filters and begin to record: while the machine stands still. The commands are sent at once, QEMU does them in
 * order.
 * @param checkpoint - from which on changes are recorded; undefined: none are
 * @param copySeconds - a write that would have to wait longer for its old content to be put aside costs the view, not the guest
 * @param signal - aborted if the machine goes on already
 * @throws {UmbraError} TRACKER_FAILED
 */
export async function insertFilters(
  qmp: QmpClient,
  plans: readonly BitmapPlan[],
  checkpoint: string | undefined,
  copySeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const commands = plans.flatMap(({ disk }, index) => {
    const filter = viewNames.filter(index);
    const options = {
      driver: 'copy-before-write',
      'node-name': filter,
      file: disk.node,
      target: viewNames.scratch(index),
      'on-cbw-error': 'break-snapshot',
      'cbw-timeout': copySeconds,
    };
    return [
      qmp.execute('blockdev-add', options),
      qmp.execute('qom-set', { path: disk.devicePath, property: 'drive', value: filter }),
    ];
  });
  if (checkpoint !== undefined) {
    commands.push(qmp.execute('transaction', beginRecording(plans, checkpoint, READING_BITMAP)));
  }
  for (const result of await Promise.allSettled(commands)) if (result.status === 'rejected') throw result.reason;
  if (signal.aborted) throw new UmbraError('TRACKER_FAILED', 'the machine went on before the checkpoint was made');
}

/** @throws {UmbraError} TRACKER_FAILED */
export async function exportViews(qmp: QmpClient, plans: readonly BitmapPlan[]): Promise<void> {
  for (const [index, { disk, since }] of plans.entries()) {
    const view = viewNames.view(index);
    await qmp.execute('blockdev-add', { driver: 'snapshot-access', 'node-name': view, file: viewNames.filter(index) });
    await qmp.execute('block-export-add', {
      type: 'nbd',
      id: viewNames.exportId(index),
      'node-name': view,
      name: view,
      bitmaps: since === undefined ? [] : [{ node: disk.node, name: READING_BITMAP }],
    });
  }
}
