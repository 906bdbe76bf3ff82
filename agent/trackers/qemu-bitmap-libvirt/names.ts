/** Checkpoints of this tracker are called `umbra-ID`; all others are somebody else's and left alone. */
const PREFIX = 'umbra-';

/** The bitmap of what changed up to the checkpoint that is being read, as libvirt exports it. */
export const READING_BITMAP = `${PREFIX}reading`;

/** Directories for scratch files, in the machine's scratch directory, begin so. */
export const SCRATCH_PREFIX = `${PREFIX}scratch-`;

/** Directories for sockets begin so. They lie where those of other machines lie too. @param uuid - the machine's */
export function socketPrefix(uuid: string): string {
  return `${PREFIX}nbd-${uuid}-`;
}

/** The name of a checkpoint in libvirt. @param id - of a checkpoint */
export function checkpointName(id: string): string {
  return `${PREFIX}${id}`;
}

export function isOurCheckpoint(name: string): boolean {
  return name.startsWith(PREFIX);
}
