import type { FileId, FileStat, Filesystem } from '../../mount/filesystems/filesystem.js';
import type { GuestFileStat } from '../protocol/files-api.js';
import { isoTime } from './nanoseconds.js';

const UNIT_BYTES = 512;

/** What crosses the socket of a file; the target is there for a symbolic link. */
export function statInfo(stat: FileStat, target?: string): GuestFileStat {
  const { type, permissions, nlink, uid, gid, sizeBytes, blocks, birthNs, device } = stat;
  return {
    type,
    permissions,
    nlink,
    uid,
    gid,
    sizeBytes,
    diskBytes: blocks * UNIT_BYTES,
    mtime: isoTime(stat.mtimeNs),
    atime: isoTime(stat.atimeNs),
    ctime: isoTime(stat.ctimeNs),
    ...(birthNs === undefined ? {} : { birthTime: isoTime(birthNs) }),
    ...(device === undefined ? {} : { device }),
    ...(target === undefined ? {} : { target }),
  };
}

/**
 * As {@link statInfo}, with the target of a link.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function statInfoOf(filesystem: Filesystem, id: FileId, stat: FileStat): Promise<GuestFileStat> {
  return statInfo(stat, stat.type === 'symlink' ? await filesystem.readlink(id) : undefined);
}
