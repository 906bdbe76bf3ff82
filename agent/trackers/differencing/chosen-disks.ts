import { UmbraError } from '../../../src/common/errors.js';
import type { Log } from '../../../src/common/log.js';
import type { CheckpointRequest } from '../tracker.js';
import { removeLeftOverlays } from './overlay-files.js';
import type { ChainDisk, OverlayMachine } from './overlay-machine.js';
import type { OverlayNotes } from './overlay-state.js';

export interface ChosenDisks {
  readonly chosen: readonly ChainDisk[];
  /** Nobody wants them, any more. */
  readonly others: readonly ChainDisk[];
  /** Why volumes are not among them, and what else is to be said, for people. */
  readonly remarks: readonly string[];
}

/**
 * The disks of a machine that a checkpoint is wanted of. Overlays that are on none of its disks, and hold nothing, go.
 * @throws {UmbraError} TRACKER_UNAVAILABLE if there is no such disk, TRACKER_FAILED, HYPERVISOR_*, IMAGE_*
 */
export async function chooseDisks(
  machine: OverlayMachine,
  { volumes }: CheckpointRequest,
  notes: OverlayNotes,
  log: Log,
): Promise<ChosenDisks> {
  const { disks, skipped } = await machine.disks();
  const isWanted = (name: string): boolean => volumes === undefined || volumes.includes(name);
  const remarks = skipped
    .filter(({ name }) => isWanted(name))
    .map(({ name, reason }) => `${name} is left out: ${reason}`);
  const known = new Set([...disks.map(({ volume }) => volume), ...skipped.map(({ name }) => name)]);
  for (const name of volumes ?? []) if (!known.has(name)) remarks.push(`the machine has no volume ${name}`);
  const chosen = disks.filter(({ volume }) => isWanted(volume));
  if (chosen.length === 0) {
    const why = remarks.length === 0 ? '' : `: ${remarks.join('; ')}`;
    throw new UmbraError('TRACKER_UNAVAILABLE', `the machine has no disk that can be read${why}`);
  }
  for (const path of await removeLeftOverlays(notes, disks, await machine.run())) {
    log.warn('an overlay is no part of the machine any more, and is kept', { path });
    remarks.push(`${path} is no part of the machine any more: what it holds may be missing; it is kept`);
  }
  return { chosen, others: disks.filter((disk) => !chosen.includes(disk)), remarks };
}
