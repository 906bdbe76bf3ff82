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
import { ownImage } from './newest-overlay.js';
import type { ChainDisk, OverlayMachine } from './overlay-machine.js';

/** All that a guest has written since its last backup. */
const MERGE_MS = 24 * 3_600_000;

/**
 * Merge the overlays of ours that a disk of a machine that is off begins with into what they lie on, and take them away. Whenever
 * this breaks off, the disk reads the same from its top, which is the last file that goes.
 * @returns those that are gone
 * @throws {UmbraError} TRACKER_FAILED when somebody else's overlays lie on ours; IMAGE_IN_USE when the machine starts meanwhile;
 *   TRACKER_UNAVAILABLE when nobody knows what it would start from then
 */
export async function releaseOff(machine: OverlayMachine, disk: ChainDisk, clock: Clock): Promise<readonly string[]> {
  const base = disk.layers.findIndex((path) => !isOverlay(path));
  if (base <= 0) return [];
  const { startFrom } = machine;
  if (startFrom === undefined) throw startsUnknown(disk);
  const overlays = disk.layers.slice(0, base);
  const [top = '', ...backing] = disk.layers;
  await whileLocked(disk.layers.slice(0, base + 1), clock, () => refuseOverlaysOn(overlays));
  const own = await ownImage({ path: top, format: 'qcow2', backing });
  await runQemuImg(top, ['commit', '-q', '-f', 'qcow2', '-b', own.path, top], MERGE_MS);
  await syncFile(own.path);
  // What lies between is of no use now, and goes before the top does.
  if (base > 1) await runQemuImg(top, ['rebase', '-u', '-f', 'qcow2', '-b', own.path, '-F', own.format, top]);
  // A QEMU that starts just now has the top open, or finds it locked; none goes on with a file that has no name any more.
  await whileLocked(overlays, clock, async () => {
    await startFrom(disk, own);
    for (const path of overlays.toReversed()) await rm(path, { force: true });
  });
  return overlays;
}

/** Nobody can open the files for writing meanwhile. */
async function whileLocked(paths: readonly string[], clock: Clock, action: () => Promise<void>): Promise<void> {
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
