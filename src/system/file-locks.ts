import { systemCode } from '../common/errors.js';
import { libc, systemCall } from './libc.js';
import { SystemCallError } from './system-call-error.js';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;

const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

export type LockKind = 'shared' | 'exclusive';

/**
 * Lock a whole open file with flock(2), without waiting. The lock belongs to the open file: it
 * goes when every descriptor of it is closed, also when the process dies.
 * @returns false if someone else holds a lock that excludes this one
 * @throws {SystemCallError}
 */
export function tryFlock(fd: number, kind: LockKind): boolean {
  return granted(() => systemCall('flock', () => libc().flock(fd, (kind === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB)));
}

/** What file systems say on which no directory can be locked. */
const NO_LOCKS = new Set(['ENOLCK', 'ENOSYS', 'EOPNOTSUPP', 'EINVAL', 'EBADF']);

/**
 * Lock an open directory for this process alone, as {@link tryFlock} does.
 * @returns undefined where nothing can be locked
 * @throws {SystemCallError}
 */
export function tryLockDirectory(fd: number): boolean | undefined {
  try {
    return tryFlock(fd, 'exclusive');
  } catch (error) {
    if (NO_LOCKS.has(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** Give up what {@link tryFlock} took. */
export function unlockFlock(fd: number): void {
  systemCall('flock', () => libc().flock(fd, LOCK_UN));
}

/**
 * Lock bytes of an open file with an open file description lock (fcntl(2), F_OFD_SETLK), without
 * waiting. Such a lock excludes those of other openings of the file, in this process too; closing
 * another descriptor of the same file does not give it up, as it would a traditional record lock.
 * A shared lock needs the file open for reading, an exclusive one for writing.
 * @returns false if someone else holds a lock that excludes this one
 * @throws {SystemCallError}
 */
export function tryLockRange(fd: number, kind: LockKind, offset: number, length: number): boolean {
  const request = flockStruct(kind === 'shared' ? F_RDLCK : F_WRLCK, offset, length);
  return granted(() => systemCall('fcntl', () => libc().fcntl(fd, F_OFD_SETLK, 'void *', request)));
}

/** Give up what {@link tryLockRange} took. */
export function unlockRange(fd: number, offset: number, length: number): void {
  const request = flockStruct(F_UNLCK, offset, length);
  systemCall('fcntl', () => libc().fcntl(fd, F_OFD_SETLK, 'void *', request));
}

export interface HeldLock {
  readonly kind: LockKind;
  readonly offset: number;
  /** 0: to the end of the file. */
  readonly length: number;
  /** Undefined for open file description locks, which belong to no process. */
  readonly pid: number | undefined;
}

/** The first lock of someone else that would exclude a lock of `kind` on the range, or undefined. */
export function findRangeLock(fd: number, kind: LockKind, offset: number, length: number): HeldLock | undefined {
  const query = flockStruct(kind === 'shared' ? F_RDLCK : F_WRLCK, offset, length);
  systemCall('fcntl', () => libc().fcntl(fd, F_OFD_GETLK, 'void *', query));
  const type = new Int16Array(query, 0, 1)[0];
  if (type === F_UNLCK) return undefined;
  const [start = 0n, size = 0n] = new BigInt64Array(query, 8, 2);
  const pid = new Int32Array(query, 24, 1)[0] ?? -1;
  return {
    kind: type === F_RDLCK ? 'shared' : 'exclusive',
    offset: Number(start),
    length: Number(size),
    pid: pid > 0 ? pid : undefined,
  };
}

/**
 * `struct flock` of 64-bit Linux: int16 type, int16 whence (0: from the start), 4 bytes of padding,
 * int64 start, int64 length, int32 pid (0 for open file description locks), 4 bytes of padding.
 */
function flockStruct(type: number, offset: number, length: number): ArrayBuffer {
  const struct = new ArrayBuffer(32);
  new Int16Array(struct, 0, 1)[0] = type;
  new BigInt64Array(struct, 8, 2).set([BigInt(offset), BigInt(length)]);
  return struct;
}

function granted(lock: () => void): boolean {
  try {
    lock();
    return true;
  } catch (error) {
    // fcntl(2): either of EAGAIN and EACCES; flock(2): EWOULDBLOCK, which is EAGAIN.
    if (error instanceof SystemCallError && (error.code === 'EAGAIN' || error.code === 'EACCES')) return false;
    throw error;
  }
}
