import { libc, systemCall } from './libc.js';
import { SystemCallError } from './system-call-error.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** Numbers of posix_fadvise(2). */
export const ADVICE = { sequential: 2, willNeed: 3, dontNeed: 4 } as const;

/**
 * The offset of the first byte of data at or after `offset`, or undefined if there is none up to
 * the end of the file. Moves the descriptor's file position, so read with explicit positions.
 * @throws {SystemCallError}
 */
export function seekData(fd: number, offset: number): number | undefined {
  try {
    return systemCall('lseek', () => libc().lseek(fd, offset, SEEK_DATA));
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'ENXIO') return undefined;
    throw error;
  }
}

/**
 * The offset of the first hole at or after `offset`, which lies inside the file; the end of the
 * file counts as a hole. Moves the file position.
 * @throws {SystemCallError} ENXIO when `offset` is at or after the end
 */
export function seekHole(fd: number, offset: number): number {
  return systemCall('lseek', () => libc().lseek(fd, offset, SEEK_HOLE));
}

/**
 * Reserve disk space for a range; the file grows when it is shorter. Blocks the thread.
 * @throws {SystemCallError} ENOSPC, EOPNOTSUPP
 */
export function allocate(fd: number, offset: number, length: number): void {
  systemCall('fallocate', () => libc().fallocate(fd, 0, offset, length));
}

/**
 * Make a range a hole that reads as zeros; the file's size stays. Works on block devices that can
 * discard to zeros, too.
 * @throws {SystemCallError} EOPNOTSUPP where the file system can't
 */
export function punchHole(fd: number, offset: number, length: number): void {
  systemCall('fallocate', () => libc().fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length));
}

/**
 * Tell the kernel how a range will be read: `sequential` doubles the read-ahead of the descriptor,
 * `willNeed` starts reading, `dontNeed` drops clean pages. Advice only: failures are not reported.
 * @param length - 0: to the end of the file
 */
export function advise(fd: number, offset: number, length: number, advice: keyof typeof ADVICE): void {
  libc().posixFadvise(fd, offset, length, ADVICE[advice]);
}
