import { stat } from 'node:fs/promises';
import type { Clock } from '../../../src/common/clock.js';
import { qemuInfo } from '../../images/qemu-info.js';
import type { StartImage } from './newest-overlay.js';
import { isEmpty } from './overlay-files.js';
import type { ChainDisk } from './overlay-machine.js';
import { whileLocked } from './release-off.js';

/** Where a disk starts from. */
export interface DiskStart {
  readonly disk: ChainDisk;
  readonly image: StartImage;
}

interface Left {
  readonly disk: ChainDisk;
  readonly path: string;
}

/**
 * A machine that is off starts from overlays that lie on its disks and that libvirt does not know of: it was killed before it
 * noted them, and then the machine's QEMU ended. Only if nobody has started it without them meanwhile: what lies below an overlay
 * must not be written to. Then they are left alone.
 * @param left - overlays of ours that are part of no disk
 * @param startFrom - all at once
 * @throws {UmbraError} IMAGE_IN_USE when the machine starts meanwhile; TRACKER_FAILED, HYPERVISOR_*
 */
export async function startFromLeft(
  disks: readonly ChainDisk[],
  left: readonly string[],
  clock: Clock,
  startFrom: (starts: readonly DiskStart[]) => Promise<void>,
): Promise<void> {
  const found = await layingOn(disks, left);
  const needed: Left[] = [];
  for (const each of found) if (!(await isEmpty(each.path))) needed.push(each);
  if (needed.length === 0) return;
  const paths = found.flatMap(({ disk, path }) => [path, disk.layers[0] ?? '']);
  await whileLocked([...new Set(paths)], clock, async () => {
    if (!(await areNewest(found))) return;
    await startFrom(needed.map(({ disk, path }) => ({ disk, image: { path, format: 'qcow2' } })));
  });
}

/** Those that lie on what the disks begin with; none if it is not certain which. */
async function layingOn(disks: readonly ChainDisk[], left: readonly string[]): Promise<readonly Left[]> {
  const found: Left[] = [];
  for (const path of left) {
    const behind = (await qemuInfo(path, 'qcow2').catch(() => undefined))?.backing?.path;
    const disk = disks.find(({ layers }) => layers[0] === behind);
    if (disk !== undefined) found.push({ disk, path });
  }
  const volumes = new Set(found.map(({ disk }) => disk.volume));
  return volumes.size === found.length ? found : [];
}

/** They were put on all disks in one instant: what lies below was written to before they were, on each disk. */
async function areNewest(found: readonly Left[]): Promise<boolean> {
  const written = async (path: string): Promise<bigint> => (await stat(path, { bigint: true })).mtimeNs;
  const overlays = await Promise.all(found.map(({ path }) => written(path)));
  const below = await Promise.all(found.map(({ disk }) => written(disk.layers[0] ?? '')));
  return below.every((at) => overlays.some((overlay) => overlay >= at));
}
