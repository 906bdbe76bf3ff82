import type { FileType } from '../filesystem.js';
import type { WslAttributes } from './extended-attributes.js';

/**
 * Windows has no owner and mode for us, but access lists of accounts that this machine does not know. So everything is
 * root's, and nobody else's: what a guest kept from its other users must not be open to all users of this machine when
 * the mount is (`--allow-other`). Without that the mount is its user's alone, and the kernel does not look at modes. The
 * access lists themselves are there as `security.NTACL`. Where WSL kept an owner and a mode, those are shown.
 */
const DIRECTORY_PERMISSIONS = 0o700;
const FILE_PERMISSIONS = 0o600;
const SYMLINK_PERMISSIONS = 0o777;

export interface Ownership {
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
}

export function ownershipOf(type: FileType, wsl: WslAttributes): Ownership {
  const { mode, uid = 0, gid = 0 } = wsl;
  if (type === 'symlink') return { permissions: SYMLINK_PERMISSIONS, uid, gid };
  const standard = type === 'directory' ? DIRECTORY_PERMISSIONS : FILE_PERMISSIONS;
  return { permissions: mode === undefined ? standard : mode & 0o7777, uid, gid };
}
