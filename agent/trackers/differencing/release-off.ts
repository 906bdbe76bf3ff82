import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { syncFile } from '../../../src/system/sync-file.js';
import { ImageFile } from '../../images/image-file.js';
import { refuseWriters } from '../../images/in-use.js';
import { runQemuImg } from '../../images/qemu-program.js';
import { qcow2Beside } from './beside.js';
import { isOverlay } from './names.js';
import { imageBehind } from './newest-overlay.js';
import type { ChainDisk, OverlayMachine } from './overlay-machine.js';

/** All that a guest has written since its last backup. */
const MERGE_MS = 24 * 3_600_000;

/**
 * Merge the overlays of ours that a disk of a machine that is off begins with into what they lie on, and take them away: the top
 * first, each into the one below. Whenever this breaks off, one file is the top, and the disk reads the same from it.
 * @returns those that are gone
 * @throws {UmbraError} TRACKER_FAILED when somebody else's overlays lie on ours; IMAGE_IN_USE when the machine starts meanwhile;
 *   TRACKER_UNAVAILABLE when nobody knows what it would start from then
 */
export async function releaseOff(machine: OverlayMachine, disk: ChainDisk, clock: Clock): Promise<readonly string[]> {
  const { layers } = disk;
  const base = layers.findIndex((path) => !isOverlay(path));
  if (base <= 0) return [];
  const { startFrom } = machine;
  if (startFrom === undefined) throw startsUnknown(disk);
  const overlays = layers.slice(0, base);
  await whileLocked(layers.slice(0, base + 1), clock, () => refuseOverlaysOn(overlays));
  for (const [at, top] of overlays.entries()) {
    const below = { path: layers[at + 1] ?? '', format: (await imageBehind(top)).format };
    // -d: what is merged is not taken out of a file that goes.
    await runQemuImg(top, ['commit', '-q', '-d', '-f', 'qcow2', top], MERGE_MS);
    await syncFile(below.path);
    // A QEMU that starts just now has the top open, or finds it locked; none goes on with a file that has no name any more.
    await whileLocked([top], clock, async () => {
      await startFrom({ ...disk, layers: layers.slice(at) }, below);
      await rm(top, { force: true });
    });
  }
  return overlays;
}

/** Nobody can open the files for writing meanwhile. */
export async function whileLocked(paths: readonly string[], clock: Clock, action: () => Promise<void>): Promise<void> {
  const held: ImageFile[] = [];
  try {
    for (const path of paths) held.push(await ImageFile.open(path, clock));
    await refuseWriters(held);
    await action();
  } finally {
    for (const file of held) await file.close();
  }
}

function startsUnknown({ volume, layers }: ChainDisk): UmbraError {
  const [top = ''] = layers;
  return new UmbraError('TRACKER_UNAVAILABLE', `nobody leads to the machine, whose ${volume} begins with ${top}`, {
    hint: 'Have the agent find it as before, or merge that overlay yourself ("qemu-img commit").',
  });
}

/** Nothing says so but files that the administrator has laid on ours by hand. */
async function refuseOverlaysOn(overlays: readonly string[]): Promise<void> {
  for (const directory of new Set(overlays.map((path) => dirname(path)))) {
    const beside = await qcow2Beside(directory);
    const others = overlays.flatMap((path) => beside.get(path) ?? []).filter((file) => !overlays.includes(file));
    if (others.length === 0) continue;
    throw new UmbraError('TRACKER_FAILED', `${others.join(', ')} of somebody else lies on overlays of Umbra's`, {
      hint: 'Merge it into what it lies on ("qemu-img commit"), or delete it, then try again.',
    });
  }
}
