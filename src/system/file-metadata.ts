import { libc, systemCall } from './libc.js';
import { pathBytes, type SystemPath } from './xattrs.js';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const RENAME_NOREPLACE = 1;
const NS_PER_SECOND = 1_000_000_000n;
const TIMESPEC_BYTES = 16;

/** The file type bits of what {@link makeNode} makes (stat(2)). */
const NODE_TYPES = {
  'character-device': 0o020000,
  'block-device': 0o060000,
  fifo: 0o010000,
  socket: 0o140000,
} as const;

export type NodeType = keyof typeof NODE_TYPES;

/** Nanoseconds since 1970. */
export interface FileTimes {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
}

/**
 * Set the times of an open file to the nanosecond, as far as its file system has such times.
 * @throws {SystemCallError}
 */
export function setTimes(fd: number, times: FileTimes): void {
  const bytes = timespecs(times);
  systemCall('futimens', () => libc().futimens(fd, bytes));
}

/** As {@link setTimes}, of what a path names itself: a link is not followed. */
export function setPathTimes(path: SystemPath, times: FileTimes): void {
  const bytes = timespecs(times);
  systemCall('utimensat', () => libc().utimensat(AT_FDCWD, pathBytes(path), bytes, AT_SYMLINK_NOFOLLOW));
}

/** @throws {SystemCallError} */
export function setFileXattr(fd: number, name: string, value: Uint8Array): void {
  systemCall('fsetxattr', () => libc().fsetxattr(fd, name, value, value.length, 0));
}

/** @throws {SystemCallError} ENODATA when there is no such attribute */
export function removeFileXattr(fd: number, name: string): void {
  systemCall('fremovexattr', () => libc().fremovexattr(fd, name));
}

/**
 * Make a device, fifo or socket; a device needs root.
 * @param permissions whatever the umask is
 * @throws {SystemCallError}
 */
export function makeNode(
  path: SystemPath,
  type: NodeType,
  permissions: number,
  device: { readonly major: number; readonly minor: number } = { major: 0, minor: 0 },
): void {
  const number = deviceNumber(device);
  // Nothing else of this thread runs before it is put back.
  const umask = process.umask(0);
  try {
    systemCall('mknod', () => libc().mknod(pathBytes(path), NODE_TYPES[type] | permissions, number));
  } finally {
    process.umask(umask);
  }
}

/**
 * Rename, unless something has the new name.
 * @throws {SystemCallError} EEXIST; EINVAL or ENOSYS where the file system cannot do it
 */
export function renameWithoutReplacing(from: SystemPath, to: SystemPath): void {
  systemCall('renameat2', () => libc().renameat2(AT_FDCWD, pathBytes(from), AT_FDCWD, pathBytes(to), RENAME_NOREPLACE));
}

/** makedev(3) of glibc. */
function deviceNumber({ major, minor }: { readonly major: number; readonly minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xffff_f000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffff_ff00n) << 12n) | (low & 0xffn);
}

/** Two `struct timespec`: access, modification. */
function timespecs({ atimeNs, mtimeNs }: FileTimes): Buffer {
  const bytes = Buffer.alloc(2 * TIMESPEC_BYTES);
  for (const [index, timeNs] of [atimeNs, mtimeNs].entries()) {
    const nanoseconds = ((timeNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
    bytes.writeBigInt64LE((timeNs - nanoseconds) / NS_PER_SECOND, index * TIMESPEC_BYTES);
    bytes.writeBigInt64LE(nanoseconds, index * TIMESPEC_BYTES + 8);
  }
  return bytes;
}
