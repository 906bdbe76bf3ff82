import type { LayeredImage } from '../../images/layered-image.js';
import type { CheckpointVolume } from '../tracker.js';
import { isOverlay } from './names.js';

/**
 * A volume of a checkpoint, read from layers that nobody writes to.
 * @param count - how many layers hold all changes; undefined if nobody knows
 */
export function layeredVolume(name: string, image: LayeredImage, count: number | undefined): CheckpointVolume {
  // What lies on the machine's own image comes and goes.
  const { path, format } = image.layers.find((layer) => !isOverlay(layer.path)) ?? image;
  return {
    name,
    path,
    format,
    sizeBytes: image.sizeBytes,
    changesKnown: count !== undefined,
    changes: () => image.heldBy(count ?? 0),
    extents: () => image.extents(),
    read: (target, offset) => image.read(target, offset),
  };
}
