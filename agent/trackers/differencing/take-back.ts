import { rm } from 'node:fs/promises';
import type { Log } from '../../../src/common/log.js';
import { syncFile } from '../../../src/system/sync-file.js';
import type { MergeTools } from './merging.js';
import type { OverlayMachine } from './overlay-machine.js';

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
  const { making, overlays } = await notes.read();
  if (machine.takeBack === undefined || making.length + overlays.length === 0) return;
  const ours = [...new Set([...making, ...overlays])];
  for (const volume of (await machine.startAsItRuns?.(ours)) ?? []) {
    log.warn('the definition had a disk start from another image than it runs on', { machine: name, volume });
  }
  const known = new Set((await machine.disks()).disks.flatMap(({ layers }) => layers));
  const left = ours.filter((path) => !known.has(path));
  if (left.length === 0) return;
  for (const { path, onto } of await machine.takeBack(left, whileStill)) {
    // Only what is on the disk of the host can take the place of what is deleted.
    await syncFile(onto);
    await rm(path, { force: true });
    const others = (paths: readonly string[]): string[] => paths.filter((each) => each !== path);
    await notes.update((state) => ({ making: others(state.making), overlays: others(state.overlays) }));
    log.warn('an overlay that libvirt had not noted is merged', { machine: name, path, onto });
  }
}
