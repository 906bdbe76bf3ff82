import { statfs, writeFile } from 'node:fs/promises';
import type { MountEntry } from '../src/system/mounts.js';

/**
 * What the kernel reads ahead in a file that is read in order, in KiB. FUSE starts with 128, one request at a time; with
 * four under way the copying of one overlaps with the making of the next (measured from memory: 1.5 instead of 1.2 GB/s;
 * 1 MiB and more is slower again).
 */
const READ_AHEAD_KIB = 512;

/**
 * Raises the read-ahead of a mounted file system. Only root may; for others it stays as it is.
 * The file system must be answered by this process.
 */
export async function raiseReadAhead({ device, mountPoint }: Pick<MountEntry, 'device' | 'mountPoint'>): Promise<void> {
  // Mounting ends before the kernel has libfuse's first answer, which sets the read-ahead back; no request comes before it.
  await statfs(mountPoint).catch(() => undefined);
  await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(READ_AHEAD_KIB)).catch(() => undefined);
}
