import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { UmbraError } from '../../../src/common/errors.js';
import { writtenText } from '../../images/fingerprint.js';
import { isOverlay } from './names.js';
import type { ChainDisk, Merge } from './overlay-machine.js';
import type { RecordedVolume } from './overlay-state.js';

/** What was written last to each file of a chain; empty where that can't be known. */
export async function writtenOf(layers: readonly string[]): Promise<string[]> {
  return await Promise.all(
    layers.map(async (path) => {
      const stats = await stat(path, { bigint: true }).catch(() => undefined);
      return stats?.isFile() === true ? writtenText(stats) : '';
    }),
  );
}

/**
 * How many layers of a chain hold all that has changed since a checkpoint: those above the chain of that time, which nobody
 * has written to since. Undefined if nobody knows.
 * @param chain - what was written last to its files, the top first
 */
export function layersSince(
  chain: readonly string[],
  sizeBytes: number,
  recorded: RecordedVolume | undefined,
): number | undefined {
  // A disk that was resized has changed where no layer holds anything.
  if (recorded?.sizeBytes !== sizeBytes) return undefined;
  for (const before of recorded.chains) {
    const above = chain.length - before.length;
    const isBelow = above >= 0 && before.every((written, index) => written !== '' && written === chain[above + index]);
    if (before.length > 0 && isBelow) return above;
  }
  return undefined;
}

/**
 * The lowest overlay of ours that can be merged into the layer below it while the guest writes on: what lies on it is ours too,
 * so that nobody else refers to it.
 * @param below - how many layers at the bottom are left alone
 */
export function nextMerge(disk: ChainDisk, below = 0): Merge | undefined {
  const { layers } = disk;
  for (let layer = layers.length - below - 2; layer >= 1; layer -= 1) {
    if (isOverlay(layers[layer] ?? '') && isOverlay(layers[layer - 1] ?? '')) return { disk, layer };
  }
  return undefined;
}

/**
 * Overlays lie beside images: not beside a device, and not where nobody knows.
 * @throws {UmbraError} TRACKER_UNAVAILABLE
 */
export function refuseDevices(disks: readonly ChainDisk[]): void {
  for (const { volume, layers } of disks) {
    const [top = ''] = layers;
    if (isAbsolute(top) && !top.startsWith('/dev/')) continue;
    const why = isAbsolute(top) ? 'is a device: no overlay can lie beside it' : 'has no absolute path';
    throw new UmbraError('TRACKER_UNAVAILABLE', `the image ${top} of ${volume} ${why}`, {
      hint: 'Use another tracker: umbra protect MACHINE --tracker auto.',
    });
  }
}
