import type { FileHandle } from 'node:fs/promises';
import { lchown } from 'node:fs/promises';
import type { FileStat } from '../../mount/filesystems/filesystem.js';
import { messageOf, systemCode } from '../common/errors.js';
import { removeFileXattr, setFileXattr, setPathTimes, setTimes } from '../system/file-metadata.js';
import { setXattr } from '../system/xattrs.js';

/** What a file has besides its content. */
export interface FileMetadata {
  readonly stat: FileStat;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** Called for what could not be set, with the reason; it is the same for all files for which it is so. */
export type OnUnset = (reason: string) => void;

const ACCESS_ACL = 'system.posix_acl_access';
const DEFAULT_ACL = 'system.posix_acl_default';
/** chown(2) takes it for "as it is". */
const NO_ID = 0xffff_ffff;
const SET_ID_BITS = 0o6000;

const NO_ROOM = 'the file system that is copied to has no room for attributes of this size';
/** Of a file that is there already: here, nothing that has no room means that the disk is full. */
const REASONS: Readonly<Record<string, string>> = {
  E2BIG: NO_ROOM,
  EDQUOT: NO_ROOM,
  ENOSPC: NO_ROOM,
  ENOTSUP: 'the file system that is copied to has no such thing',
  EOPNOTSUPP: 'the file system that is copied to has no such thing',
  EPERM: 'not permitted',
};

/** True if files can be given to other users. */
export function keepsOwners(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * Give an open file or directory its metadata. In this order, since a change of owner takes away attributes and set-id
 * bits, a file without write permission takes no attributes, and everything changes times.
 */
export async function setMetadata(handle: FileHandle, metadata: FileMetadata, onUnset: OnUnset): Promise<void> {
  const { stat, xattrs } = metadata;
  const isOwned = await setOwner(stat, (uid, gid) => handle.chown(uid, gid), onUnset);
  dropInherited(handle.fd, xattrs);
  for (const [name, value] of xattrs) {
    attempt(`extended attribute ${name}`, onUnset, () => {
      setFileXattr(handle.fd, name, value);
    });
  }
  try {
    await handle.chmod(isOwned ? stat.permissions : stat.permissions & ~SET_ID_BITS);
  } catch (error) {
    onUnset(unset('mode', codeOf(error)));
  }
  attempt('times', onUnset, () => {
    setTimes(handle.fd, stat);
  });
}

/** As {@link setMetadata}, for what is not opened: links and special files, which were made with their mode. */
export async function setPathMetadata(path: Buffer, metadata: FileMetadata, onUnset: OnUnset): Promise<void> {
  const { stat, xattrs } = metadata;
  await setOwner(stat, (uid, gid) => lchown(path, uid, gid), onUnset);
  for (const [name, value] of xattrs) {
    attempt(`extended attribute ${name}`, onUnset, () => {
      setXattr(path, name, value);
    });
  }
  attempt('times', onUnset, () => {
    setPathTimes(path, stat);
  });
}

/** @returns false if the owner is another one than in the guest */
async function setOwner(
  { uid, gid }: FileStat,
  chown: (uid: number, gid: number) => Promise<void>,
  onUnset: OnUnset,
): Promise<boolean> {
  // That nobody but root can do it is said once, for all.
  if (!keepsOwners()) return uid === process.geteuid?.() && gid === process.getegid?.();
  if (uid >= NO_ID || gid >= NO_ID) {
    onUnset(unset(`owner ${uid}:${gid}`, 'no such id is possible'));
    return false;
  }
  try {
    await chown(uid, gid);
    return true;
  } catch (error) {
    onUnset(unset(`owner ${uid}:${gid}`, codeOf(error)));
    return false;
  }
}

/** Take away the ACLs that a directory of this machine gives to all that is made in it, but for those in `xattrs`. */
export function dropInherited(fd: number, xattrs: ReadonlyMap<string, Uint8Array> = new Map()): void {
  for (const name of [ACCESS_ACL, DEFAULT_ACL]) {
    if (xattrs.has(name)) continue;
    try {
      removeFileXattr(fd, name);
    } catch {
      // There was none, or there can be none.
    }
  }
}

function attempt(what: string, onUnset: OnUnset, work: () => void): void {
  try {
    work();
  } catch (error) {
    onUnset(unset(what, codeOf(error)));
  }
}

function unset(what: string, why: string): string {
  return `${what} could not be set: ${why}`;
}

function codeOf(error: unknown): string {
  const code = systemCode(error) ?? messageOf(error);
  return REASONS[code] ?? code;
}
