import { writeFile } from 'node:fs/promises';

/**
 * What the kernel reads ahead in a file that is read in order, in KiB. FUSE starts with 128, one request at a time; with
 * four under way the copying of one overlaps with the making of the next (measured from memory: 1.5 instead of 1.2 GB/s;
 * 1 MiB and more is slower again).
 */
const READ_AHEAD_KIB = 512;

/**
 * Raises the read-ahead of a mounted file system. Only root may; for others it stays as it is.
 * @param device `MAJOR:MINOR`, see MountEntry
 */
export async function raiseReadAhead(device: string): Promise<void> {
  await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(READ_AHEAD_KIB)).catch(() => undefined);
}
