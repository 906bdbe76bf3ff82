import { systemCode } from '../../src/common/errors.js';
import { findRangeLock, tryLockRange } from '../../src/system/file-locks.js';

/*
 * How QEMU (block/file-posix.c) says what it does with an image: a shared lock on byte 100 + n says
 * "I use permission n", one on byte 200 + n says "nobody else may use permission n". Whoever
 * comes takes both kinds of locks first and then looks whether anyone's contradict.
 */
const USED = 100;
const NOT_SHARED = 200;
const PERMISSION = { consistentRead: 0, write: 1, resize: 3 } as const;

// What a program that only reads, and needs the content to stay, claims.
const READER_CLAIMS = [USED + PERMISSION.consistentRead, NOT_SHARED + PERMISSION.write, NOT_SHARED + PERMISSION.resize];
const READER_CONFLICTS = [NOT_SHARED + PERMISSION.consistentRead, USED + PERMISSION.write, USED + PERMISSION.resize];

/** Nobody answers locks there: some network and FUSE file systems. */
const NO_LOCKS = ['ENOLCK', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'];

/**
 * Lock an open image the way QEMU's readers do: while the descriptor is open, no QEMU program opens
 * the image for writing.
 * @returns `conflict` when a QEMU program writes the image, `unsupported` when the file system has no locks
 * @throws {SystemCallError}
 */
export function lockForReading(fd: number): 'locked' | 'conflict' | 'unsupported' {
  try {
    if (!READER_CLAIMS.every((byte) => tryLockRange(fd, 'shared', byte, 1))) return 'conflict';
    const conflicts = READER_CONFLICTS.some((byte) => findRangeLock(fd, 'exclusive', byte, 1) !== undefined);
    return conflicts ? 'conflict' : 'locked';
  } catch (error) {
    if (NO_LOCKS.includes(systemCode(error) ?? '')) return 'unsupported';
    throw error;
  }
}
