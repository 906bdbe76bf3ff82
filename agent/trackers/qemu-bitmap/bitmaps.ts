import type { QemuDisk } from '../../qemu/disks.js';
import type { QmpClient } from '../../qemu/qmp.js';
import { bitmapName, bitmapsOf, isOurs } from './names.js';

/** As coarse as a cluster of a qcow2 and as what is copied before a write: 2 MiB of memory for 1 TiB. */
export const GRANULARITY_BYTES = 65_536;

/** Where a disk stands with regard to the checkpoint since which changes are wanted. */
export interface BitmapPlan {
  readonly disk: QemuDisk;
  /** The bitmap that says what changed; undefined if none can be relied on. */
  readonly since: string | undefined;
  /** Why there is none, for people. */
  readonly remark: string | undefined;
  /** Bitmaps of ours that are of no use any more. */
  readonly stale: readonly string[];
}

/** @param since - a checkpoint's id; undefined if nothing is on the server */
export function planBitmaps(disk: QemuDisk, since: string | undefined): BitmapPlan {
  const wanted = since === undefined ? undefined : bitmapName(since, disk.volume, disk.sizeBytes);
  const found = disk.bitmaps.find(({ name }) => name === wanted);
  const remark = since === undefined ? undefined : whyUnusable(disk, since, found);
  const usable = remark === undefined ? found?.name : undefined;
  const stale = disk.bitmaps.map(({ name }) => name).filter((name) => isOurs(name) && name !== usable);
  return { disk, since: usable, remark, stale };
}

/** @returns why a disk's bitmap of the last checkpoint can't be relied on; undefined if it can */
export function whyUnusable(
  disk: Pick<QemuDisk, 'volume' | 'bitmaps' | 'keepsBitmaps'>,
  since: string,
  found: QemuDisk['bitmaps'][number] | undefined,
): string | undefined {
  const { volume } = disk;
  if (found === undefined) {
    const others = disk.bitmaps.some(({ name }) => name.startsWith(bitmapsOf(since)));
    const why = others
      ? 'it was resized, or is the disk of another volume'
      : disk.keepsBitmaps
        ? 'QEMU died, or the disk is another one'
        : 'QEMU was started again, and its format keeps no bitmaps';
    return `${volume}: its bitmap of the last checkpoint is not there: ${why}`;
  }
  if (found.isInconsistent) return `${volume}: its bitmap is inconsistent: QEMU died`;
  if (!found.isRecording) return `${volume}: its bitmap was disabled`;
  if (found.granularityBytes !== GRANULARITY_BYTES) return `${volume}: its bitmap is of another granularity`;
  return undefined;
}

/** @throws {UmbraError} TRACKER_FAILED */
export async function removeBitmaps(qmp: QmpClient, node: string, names: readonly string[]): Promise<void> {
  for (const name of names) await qmp.execute('block-dirty-bitmap-remove', { node, name });
}

/**
 * What begins the recording of changes since a checkpoint, and keeps what changed before it, all disks at once.
 * @param reading - gets a copy of what changed up to now, where that is known
 */
export function beginRecording(
  plans: readonly BitmapPlan[],
  checkpoint: string,
  reading: string,
): Record<string, unknown> {
  const actions = plans.flatMap(({ disk: { node, volume, sizeBytes, keepsBitmaps }, since }) => {
    const added = {
      node,
      name: bitmapName(checkpoint, volume, sizeBytes),
      granularity: GRANULARITY_BYTES,
      persistent: keepsBitmaps,
    };
    const begin = { type: 'block-dirty-bitmap-add', data: added };
    if (since === undefined) return [begin];
    const copy = { node, name: reading, granularity: GRANULARITY_BYTES, disabled: true };
    return [
      begin,
      { type: 'block-dirty-bitmap-add', data: copy },
      { type: 'block-dirty-bitmap-merge', data: { node, target: reading, bitmaps: [since] } },
    ];
  });
  return { actions };
}
