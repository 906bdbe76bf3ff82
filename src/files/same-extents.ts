import type { Location } from '../../mount/blocks/byte-source.js';
import type { Extent, FileId, Filesystem } from '../../mount/filesystems/filesystem.js';
import type { VolumeChanges } from './volume-changes.js';

interface Side {
  readonly filesystem: Filesystem;
  readonly id: FileId;
}

/**
 * True if two files lie in the same places, in which nothing changed: then their content is the same. Nothing is known
 * when it is false.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function sameExtents(a: Side, b: Side, changes: VolumeChanges): Promise<boolean> {
  const left = a.filesystem.extents(a.id)[Symbol.asyncIterator]();
  const right = b.filesystem.extents(b.id)[Symbol.asyncIterator]();
  for (;;) {
    const [one, two] = [await left.next(), await right.next()];
    if (one.done === true || two.done === true) return one.done === two.done;
    if (!sameExtent(one.value, two.value) || hasChanged(one.value, changes)) return false;
  }
}

function sameExtent(a: Extent, b: Extent): boolean {
  if (a.kind !== b.kind || a.offset !== b.offset || a.length !== b.length) return false;
  if (a.kind !== 'stored' || b.kind !== 'stored') return true;
  if (a.encoded !== b.encoded || a.encoding !== b.encoding) return false;
  return a.encodedFrom === b.encodedFrom && sameLocations(a.locations, b.locations);
}

/** True if both are the same places of the same volumes. */
export function sameLocations(a: readonly Location[], b: readonly Location[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((location, index) => {
    const other = b[index];
    return location.volume === other?.volume && location.offset === other?.offset && location.length === other.length;
  });
}

function hasChanged(extent: Extent, changes: VolumeChanges): boolean {
  if (extent.kind === 'hole') return false;
  if (extent.kind === 'inline') return true;
  return extent.locations.some((location) => changes.touches(location));
}
