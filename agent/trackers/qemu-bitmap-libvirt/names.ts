import { dirname, join } from 'node:path';

/** Checkpoints of this tracker are called `umbra-ID`; all others are somebody else's and left alone. */
const PREFIX = 'umbra-';
const OUR_CHECKPOINT = /^umbra-[a-z0-9]{1,32}$/;
const OUR_BITMAP_OF_QMP = /^umbra-[a-z0-9]{1,32}-\d+-./;

/** The bitmap of what changed up to the checkpoint that is being read, as libvirt exports it. */
export const READING_BITMAP = `${PREFIX}reading`;

/** Directories for scratch files, in the machine's scratch directory, begin so. */
export const SCRATCH_PREFIX = `${PREFIX}scratch-`;

/** A scratch file of ours. @param scratchDirectory - the machine's */
export function isScratchPath(path: string, scratchDirectory: string): boolean {
  return dirname(path).startsWith(join(scratchDirectory, SCRATCH_PREFIX));
}

/** Directories for sockets begin so. They lie where those of other machines lie too. @param uuid - the machine's */
export function socketPrefix(uuid: string): string {
  return `${PREFIX}nbd-${uuid}-`;
}

/** The name of a checkpoint in libvirt. @param id - of a checkpoint */
export function checkpointName(id: string): string {
  return `${PREFIX}${id}`;
}

export function isOurCheckpoint(name: string): boolean {
  return OUR_CHECKPOINT.test(name);
}

/** A bitmap of a checkpoint of ours, or one that was made over QMP: `umbra-ID-SIZE-VOLUME`. */
export function isOurBitmap(name: string): boolean {
  return isOurCheckpoint(name) || OUR_BITMAP_OF_QMP.test(name);
}
