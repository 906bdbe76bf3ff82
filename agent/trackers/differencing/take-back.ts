import { rm } from 'node:fs/promises';
import type { Log } from '../../../src/common/log.js';
import { syncFile } from '../../../src/system/sync-file.js';
import type { MergeTools } from './merging.js';
import type { ChainDisk, Merged, OverlayMachine } from './overlay-machine.js';
import type { OverlayNotes, RecordedMerge } from './overlay-state.js';

/**
 * Before anything is done with a machine: have whoever runs it know of all overlays of ours that hold something. Nobody is asked
 * but where one is on no disk that they know of.
 * @throws {UmbraError} TRACKER_*, HYPERVISOR_*, IMAGE_*
 */
export async function takeBack(
  machine: OverlayMachine,
  { notes, whileStill }: MergeTools,
  { machine: name, log }: { readonly machine: string; readonly log: Log },
): Promise<void> {
  const { making, overlays, takingBack } = await notes.read();
  if (machine.takeBack === undefined || making.length + overlays.length === 0) return;
  const ours = [...new Set([...making, ...overlays])];
  for (const volume of (await machine.startAsItRuns?.(ours)) ?? []) {
    log.warn('the definition had a disk start from another image than it runs on', { machine: name, volume });
  }
  const { disks } = await machine.disks();
  const known = new Set(disks.flatMap(({ layers }) => layers));
  const left = ours.filter((path) => !known.has(path));
  if (left.length === 0) return;
  // Before QEMU is asked: one that is started anew has nothing of what this one has merged.
  const run = await machine.run();
  const merged = await machine.takeBack(left, whileStill, (volume, merges) => noteMerges(notes, volume, merges, run));
  // After it was asked: it was the one that is meant.
  const before = machine.isOff ? [] : mergedBefore(takingBack, left, disks, await machine.run());
  const gone = new Map([...before, ...merged].map(({ path, onto }) => [path, onto]));
  for (const [path, onto] of gone) {
    // Only what is on the disk of the host can take the place of what is deleted.
    await syncFile(onto);
    await rm(path, { force: true });
    await forget(notes, path);
    log.warn('an overlay that libvirt had not noted is merged', { machine: name, path, onto });
  }
}

/**
 * Overlays that an agent before has begun to merge, and that the same run of QEMU has on no disk any more: it takes them off only when all
 * is in what lies below. Of one that was started anew nobody knows who had it start from there.
 */
function mergedBefore(
  takingBack: readonly RecordedMerge[],
  left: readonly string[],
  disks: readonly ChainDisk[],
  run: string | undefined,
): readonly Merged[] {
  if (run === undefined) return [];
  const isOnto = ({ volume, onto }: Merged): boolean =>
    disks.some((disk) => disk.volume === volume && disk.layers[0] === onto);
  return takingBack.filter((merge) => merge.run === run && left.includes(merge.path) && isOnto(merge));
}

async function noteMerges(
  notes: OverlayNotes,
  volume: string,
  merges: readonly Merged[],
  run: string | undefined,
): Promise<void> {
  const noted = merges.map((merge) => ({ ...merge, above: undefined, run }));
  await notes.update(({ takingBack }) => ({
    takingBack: [...takingBack.filter((each) => each.volume !== volume), ...noted],
  }));
}

async function forget(notes: OverlayNotes, path: string): Promise<void> {
  const isOther = (each: string): boolean => each !== path;
  await notes.update(({ making, overlays, takingBack }) => ({
    making: making.filter(isOther),
    overlays: overlays.filter(isOther),
    takingBack: takingBack.filter((merge) => isOther(merge.path)),
  }));
}
