/**
 * What this tracker makes in a QEMU is called `umbra-…`, so that the next agent finds what one that was killed has left, and
 * leaves everything else alone. Names of nodes have 31 bytes at most.
 */
const PREFIX = 'umbra-';

/** What changed up to the checkpoint that is being read. */
export const READING_BITMAP = `${PREFIX}reading`;

/** The parts of a stable view of one disk, which has a number in its checkpoint. */
export const viewNames = {
  scratch: (disk: number): string => `${PREFIX}scratch-${disk}`,
  filter: (disk: number): string => `${PREFIX}filter-${disk}`,
  view: (disk: number): string => `${PREFIX}view-${disk}`,
  exportId: (disk: number): string => `${PREFIX}export-${disk}`,
};

export function isOurs(name: string): boolean {
  return name.startsWith(PREFIX);
}

/**
 * The bitmap that records what changes since a checkpoint. It lies in the image and goes where that goes: so it says of which
 * volume, and of what size, it is. An image that was swapped with another, or resized, has no bitmap of the wanted name.
 */
export function bitmapName(checkpoint: string, volume: string, sizeBytes: number): string {
  return `${bitmapsOf(checkpoint)}${sizeBytes}-${volume}`;
}

/** How the names of all bitmaps of a checkpoint begin: its id has no "-". */
export function bitmapsOf(checkpoint: string): string {
  return `${PREFIX}${checkpoint}-`;
}
