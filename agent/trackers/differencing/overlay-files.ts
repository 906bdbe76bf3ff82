import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isUmbraError } from '../../../src/common/errors.js';
import { syncFile } from '../../../src/system/sync-file.js';
import { runQemuImg } from '../../images/qemu-program.js';
import { list, record } from '../../json-values.js';
import { giveTo } from '../qemu-bitmap/nbd-server.js';
import type { ChainDisk, Overlay } from './overlay-machine.js';
import type { OverlayNotes, OverlayState } from './overlay-state.js';

/**
 * Make the files of overlays, empty, for QEMU's user.
 * @throws {UmbraError} PROGRAM_MISSING, IMAGE_FAILED when there is no room
 */
export async function makeOverlayFiles(overlays: readonly Overlay[], owner: number): Promise<void> {
  for (const { disk, path } of overlays) {
    const [backing = ''] = disk.layers;
    // -u: what lies behind it is in use, and known.
    const behind = ['-u', '-b', backing, '-F', disk.format];
    await runQemuImg(path, ['create', '-q', '-f', 'qcow2', ...behind, path, String(disk.sizeBytes)]);
    await giveTo(path, owner);
  }
}

/**
 * Take away the files of overlays that are no part of any disk, and of which it is certain that nothing is lost with them: nobody
 * ever wrote to them, or they have been merged.
 * @param disks - all of the machine
 * @param run - of its QEMU, as the machine names it
 * @returns those that are no part of a disk and may hold something
 */
export async function removeLeftOverlays(
  notes: OverlayNotes,
  disks: readonly Pick<ChainDisk, 'volume' | 'layers'>[],
  run: string | undefined,
): Promise<readonly string[]> {
  const state = await notes.read();
  const inUse = new Set(disks.flatMap(({ layers }) => layers));
  const left = [...state.making, ...state.overlays].filter((path) => !inUse.has(path));
  const kept: string[] = [];
  for (const path of new Set(left)) {
    const merged = mergedInto(state, path, disks, run);
    const isNeeded = merged === undefined && !(state.making.includes(path) && (await isEmpty(path)));
    if (isNeeded && !isGone(path)) {
      kept.push(path);
      continue;
    }
    // Only what is on the disk of the host can take the place of what is deleted.
    for (const file of merged ?? []) await syncFile(file);
    await rm(path, { force: true });
  }
  const overlays = [...new Set([...state.making, ...state.overlays])].filter(
    (path) => inUse.has(path) || kept.includes(path),
  );
  if (state.making.length + left.length > 0 || state.merging !== undefined) {
    await notes.update(() => ({ making: [], overlays, merging: undefined }));
  }
  return kept;
}

/**
 * The files that an overlay was merged into, or that lay on it. What lay on it lies on what it was merged into; or the guest writes to that, in
 * the same run of its QEMU: only QEMU does that, when all is there. One that was started anew may have been started from there by somebody who
 * knows nothing of the overlay.
 * @returns undefined if it is not certain that it was merged
 */
function mergedInto(
  { merging }: OverlayState,
  path: string,
  disks: readonly Pick<ChainDisk, 'volume' | 'layers'>[],
  run: string | undefined,
): readonly string[] | undefined {
  if (merging?.path !== path) return undefined;
  const { volume, above, onto } = merging;
  const layers = disks.find((disk) => disk.volume === volume)?.layers ?? [];
  if (above === undefined) return run !== undefined && run === merging.run && layers[0] === onto ? [onto] : undefined;
  return layers.includes(above) && layers[layers.indexOf(above) + 1] === onto ? [onto, above] : undefined;
}

/** Somebody has taken it away: there is nothing of it to be kept. */
function isGone(path: string): boolean {
  return !existsSync(path) && existsSync(dirname(path));
}

/** Nothing was ever written to it. One that is not there is none. */
export async function isEmpty(path: string): Promise<boolean> {
  const alone = { driver: 'qcow2', file: { driver: 'file', filename: path }, backing: null };
  try {
    const map: unknown = JSON.parse(
      await runQemuImg(path, ['map', '-U', '--output=json', `json:${JSON.stringify(alone)}`]),
    );
    return list(map).every((part) => record(part)['present'] === false);
  } catch (error) {
    if (!isUmbraError(error, 'IMAGE_FORMAT') && !(error instanceof SyntaxError)) throw error;
    return !existsSync(path);
  }
}
