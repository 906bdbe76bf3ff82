import { rm } from 'node:fs/promises';
import { isUmbraError, UmbraError } from '../../../src/common/errors.js';
import { syncFile } from '../../../src/system/sync-file.js';
import type { ChainDisk, Merge, OverlayMachine, WhileStill } from './overlay-machine.js';
import type { OverlayNotes } from './overlay-state.js';

export interface MergeTools {
  readonly notes: OverlayNotes;
  readonly whileStill: WhileStill;
}

/**
 * Merge layers one after the other, as long as `next` names one, and take their files away.
 * @param next - asked with the disks as they are then
 * @throws {UmbraError} TRACKER_FAILED, TRACKER_BUSY, HYPERVISOR_*: the layers are all there then, or merged
 */
export async function mergeLayers(
  machine: OverlayMachine,
  { notes, whileStill }: MergeTools,
  next: (disk: ChainDisk) => Merge | undefined,
): Promise<void> {
  for (;;) {
    // First: what a QEMU that was started anew meanwhile has on its disks says nothing of what the one before had.
    const run = await machine.run();
    const { disks } = await machine.disks();
    const merge = disks.map(next).find((each) => each !== undefined);
    if (merge === undefined) return;
    await mergeOne(machine, { notes, whileStill }, merge, run);
  }
}

async function mergeOne(
  machine: OverlayMachine,
  { notes, whileStill }: MergeTools,
  merge: Merge,
  run: string | undefined,
): Promise<void> {
  const { disk, layer } = merge;
  const { volume, layers } = disk;
  const [above, path = '', onto = ''] = layer === 0 ? [undefined, ...layers] : layers.slice(layer - 1);
  await notes.update(() => ({ merging: { volume, path, above, onto, run } }));
  try {
    await machine.merge(merge, whileStill);
  } catch (error) {
    // What it was to wait for the next time would be somebody else's.
    if (isUmbraError(error, 'TRACKER_BUSY')) await notes.update(() => ({ merging: undefined }));
    else if (await hasLayer(machine, path).catch(() => false)) await noteUnmerged(notes);
    throw error;
  }
  if (await hasLayer(machine, path)) {
    await noteUnmerged(notes);
    throw notMerged(volume, path, onto);
  }
  // Only what is on the disk of the host can take the place of what is deleted.
  for (const file of [onto, above]) if (file !== undefined) await syncFile(file);
  await rm(path, { force: true });
  await notes.update(({ overlays, making }) => ({
    overlays: overlays.filter((each) => each !== path),
    making: making.filter((each) => each !== path),
    merging: undefined,
  }));
}

async function hasLayer(machine: OverlayMachine, path: string): Promise<boolean> {
  return (await machine.disks()).disks.some(({ layers }) => layers.includes(path));
}

/** Whoever has the guest write to what lies below the overlay, after this, knows nothing of it. */
async function noteUnmerged(notes: OverlayNotes): Promise<void> {
  await notes.update(({ merging }) => ({ merging: merging && { ...merging, run: undefined } }));
}

/** Nothing is lost by it: the overlay covers what was half written below it. @param why - if somebody says so */
export function notMerged(volume: string, path: string, onto: string, why?: string): UmbraError {
  const what = `the overlay ${path} of ${volume} could not be merged into ${onto}`;
  return new UmbraError('TRACKER_FAILED', why === undefined ? what : `${what}: ${why}`, {
    hint: 'It is tried again after the next backup; see that the disk of the images has room.',
  });
}
