import type { Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { Log } from '../../../src/common/log.js';
import { nextMerge } from './chain.js';
import { mergeLayers, type MergeTools } from './merging.js';
import { isOverlay } from './names.js';
import { removeLeftOverlays } from './overlay-files.js';
import type { ChainDisk, Merge, OverlayMachine } from './overlay-machine.js';
import type { OverlayNotes } from './overlay-state.js';
import { releaseOff } from './release-off.js';

interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Give a machine its own images back: merge all overlays of ours into what they were put on, and have it write there.
 * @throws {UmbraError} TRACKER_FAILED when somebody else's overlays lie on ours, HYPERVISOR_*, IMAGE_*
 */
export async function release(machine: OverlayMachine, tools: MergeTools, { clock, log }: Surroundings): Promise<void> {
  const { notes } = tools;
  const { disks } = await machine.disks();
  const kept = await removeLeftOverlays(notes, disks, await machine.run());
  for (const path of kept) log.warn('an overlay is no part of the machine any more, and is kept', { path });
  if (machine.isOff) for (const disk of disks) await forgetOverlays(notes, await releaseOff(machine, disk, clock));
  else await mergeLayers(machine, tools, mergeToRelease);
  const left = (await machine.disks()).disks.flatMap(({ layers }) => layers.filter(isOverlay));
  await notes.update(() => ({
    checkpoints: {},
    making: [],
    overlays: [...left, ...kept],
    merging: undefined,
    takingBack: [],
  }));
  if (left.length === 0) return;
  throw new UmbraError('TRACKER_FAILED', `overlays of others lie on ${left.join(', ')}`, {
    hint: 'Delete these snapshots ("virsh snapshot-list", "virsh blockcommit"), then try again.',
  });
}

/** Another disk may fail: these are gone. */
async function forgetOverlays(notes: OverlayNotes, gone: readonly string[]): Promise<void> {
  await notes.update(({ overlays }) => ({ overlays: overlays.filter((path) => !gone.includes(path)) }));
}

/** The next merge on the way to a disk without overlays of ours. */
export function mergeToRelease(disk: ChainDisk): Merge | undefined {
  return nextMerge(disk) ?? mergeOfTop(disk);
}

function mergeOfTop(disk: ChainDisk): Merge | undefined {
  const [top = '', below] = disk.layers;
  return isOverlay(top) && below !== undefined ? { disk, layer: 0 } : undefined;
}
