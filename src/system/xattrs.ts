import { libc, systemCall } from './libc.js';
import { SystemCallError } from './system-call-error.js';

/** The kernel's own limits (xattr(7)). */
const MAX_LIST_BYTES = 65_536;
const MAX_VALUE_BYTES = 65_536;

/** A path is bytes to the kernel; a string is taken as UTF-8. Links are not followed. */
export type SystemPath = string | Uint8Array;

/**
 * The names of a file's extended attributes; none where the file system knows no such thing.
 * @throws {SystemCallError}
 */
export function listXattrs(path: SystemPath): readonly string[] {
  const list = Buffer.alloc(MAX_LIST_BYTES);
  try {
    const length = systemCall('llistxattr', () => libc().llistxattr(pathBytes(path), list, list.length));
    return list.toString('utf8', 0, length).split('\0').slice(0, -1);
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'EOPNOTSUPP') return [];
    throw error;
  }
}

/** @throws {SystemCallError} ENODATA when there is no such attribute */
export function getXattr(path: SystemPath, name: string): Buffer {
  const value = Buffer.alloc(MAX_VALUE_BYTES);
  const length = systemCall('lgetxattr', () => libc().lgetxattr(pathBytes(path), name, value, value.length));
  return value.subarray(0, length);
}

/**
 * @param flags of lsetxattr(2): to fail unless the attribute is new, or unless it is there
 * @throws {SystemCallError}
 */
export function setXattr(path: SystemPath, name: string, value: Uint8Array, flags = 0): void {
  systemCall('lsetxattr', () => libc().lsetxattr(pathBytes(path), name, value, value.length, flags));
}

/** @throws {SystemCallError} ENODATA when there is no such attribute */
export function removeXattr(path: SystemPath, name: string): void {
  systemCall('lremovexattr', () => libc().lremovexattr(pathBytes(path), name));
}

/** A path as the C library takes it: with a NUL byte at its end. */
export function pathBytes(path: SystemPath): Buffer {
  return Buffer.concat([typeof path === 'string' ? Buffer.from(path, 'utf8') : path, Buffer.of(0)]);
}
