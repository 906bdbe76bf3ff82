import { statfs } from 'node:fs/promises';

/** Why a stable view was lost, for people, and what to do. */
export interface ViewLoss {
  readonly why: string;
  readonly hint: string;
}

/**
 * Asked when a view can't be read any more.
 * @param how `broken`: QEMU has given it up; `gone`: so is QEMU, or the disk
 * @returns undefined if nothing more is known
 */
export type WhyLost = (how: 'broken' | 'gone') => Promise<ViewLoss | undefined>;

/** QEMU copies so much at a time at most. */
const MOST_COPY_BYTES = 1024 * 1024;

/** What the guest overwrote did not fit into the scratch directory. */
export function noRoomFor(scratchDirectory: string): ViewLoss {
  return {
    why: `there was no room in ${scratchDirectory} for what the guest overwrote`,
    hint: 'Make the backup again when less is written, or give the scratch directory more room.',
  };
}

/**
 * Why QEMU has given up a view that copy-before-write makes. It says the same (EACCES, which NBD has as EINVAL) whatever kept it from putting
 * something aside, and tells nobody else (7.2: no event, and no state of a node); but while the view is there its scratch files
 * keep their room.
 * @param copySeconds for how long a write of the guest waits for that
 */
export async function whyBroken(scratchDirectory: string, copySeconds: number): Promise<ViewLoss> {
  const room = await statfs(scratchDirectory).catch(() => undefined);
  if (room !== undefined && room.bavail * room.bsize < MOST_COPY_BYTES) return noRoomFor(scratchDirectory);
  return {
    why:
      `QEMU could not put aside within ${copySeconds} s what the guest overwrote, ` +
      `since the disk of the image, or of ${scratchDirectory}, was too slow or has failed`,
    hint:
      'Make the backup again when less is written; if it is lost again, look into the log of the host whether a disk fails, and put the scratch ' +
      'directory on a faster one.',
  };
}
