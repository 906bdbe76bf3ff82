import type { Clock } from '../../../src/common/clock.js';
import { openLayeredImage, type LayeredImage } from '../../images/layered-image.js';
import type { CheckpointRequest } from '../tracker.js';
import { layersSince } from './chain.js';
import { imageBehind, type StartImage } from './newest-overlay.js';
import type { ChainDisk, Overlay } from './overlay-machine.js';
import type { RecordedVolume } from './overlay-state.js';

/** A disk whose files are open, and stay as they are. */
export interface OpenDisk {
  readonly disk: ChainDisk;
  readonly image: LayeredImage;
  /** Layers with all that has changed; undefined if nobody knows. */
  readonly count: number | undefined;
}

/** @param recorded - the volume at the checkpoint that changes are wanted since */
export async function openBehind(
  { disk, path }: Overlay,
  recorded: RecordedVolume | undefined,
  clock: Clock,
): Promise<OpenDisk> {
  const behind = await imageBehind(path);
  return await opened(disk, behind, recorded, { clock, isFrozen: true });
}

/** A disk of a machine that is off. */
export async function openOff(disk: ChainDisk, recorded: RecordedVolume | undefined, clock: Clock): Promise<OpenDisk> {
  const { format, layers } = disk;
  return await opened(disk, { path: layers[0] ?? '', format }, recorded, { clock, isFrozen: false });
}

async function opened(
  disk: ChainDisk,
  { path, format }: StartImage,
  recorded: RecordedVolume | undefined,
  how: { readonly clock: Clock; readonly isFrozen: boolean },
): Promise<OpenDisk> {
  const image = await openLayeredImage(path, { format, ...how });
  return { disk, image, count: layersSince(writtenIn(image), image.sizeBytes, recorded) };
}

/** What was written last to each file, the top first. */
export function writtenIn({ layers }: LayeredImage): string[] {
  return layers.map(({ written }) => written);
}

/** Why changes are not known, for people. */
export function unknownOf(disks: readonly OpenDisk[], { since }: CheckpointRequest): string[] {
  if (since === undefined) return [];
  const lost = disks.filter(({ count }) => count === undefined);
  return lost.map(
    ({ disk }) => `${disk.volume}: its images are not those of the last checkpoint, or were written to since`,
  );
}

export async function closeAll(disks: readonly OpenDisk[]): Promise<void> {
  await Promise.allSettled(disks.map(({ image }) => image.close()));
}
