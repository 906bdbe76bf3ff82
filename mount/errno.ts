import { constants } from 'node:os';
import { type ErrorCode } from '../src/common/error-codes.js';
import { isUmbraError } from '../src/common/errors.js';
import { TreeError, type TreeErrorCode } from './tree-error.js';

const { errno } = constants;

/** What a program sees for each error of the tree. */
const TREE_ERRNOS: Readonly<Record<TreeErrorCode, number>> = {
  ENOENT: errno.ENOENT,
  ENOTDIR: errno.ENOTDIR,
  EISDIR: errno.EISDIR,
  EINVAL: errno.EINVAL,
  ENAMETOOLONG: errno.ENAMETOOLONG,
  EROFS: errno.EROFS,
  ENFILE: errno.ENFILE,
  EFBIG: errno.EFBIG,
};

/** Umbra's errors that are something else than EIO to a program. A failing store is never "not found". */
const UMBRA_ERRNOS: Readonly<Partial<Record<ErrorCode, number>>> = {
  NOT_FOUND: errno.ENOENT,
  BAD_NAME: errno.ENOENT,
};

/** Negative, as FUSE wants it; -EIO for everything that is not listed above. */
export function errnoOf(error: unknown): number {
  if (error instanceof TreeError) return -TREE_ERRNOS[error.code];
  if (isUmbraError(error)) return -(UMBRA_ERRNOS[error.code] ?? errno.EIO);
  return -errno.EIO;
}

/** True if the error says that something is broken, and not just that a path does not exist or the like. */
export function isTrouble(error: unknown): boolean {
  return errnoOf(error) === -errno.EIO || errnoOf(error) === -errno.ENFILE || errnoOf(error) === -errno.EFBIG;
}

export const EROFS = -errno.EROFS;
export const EBADF = -errno.EBADF;
export const ENODATA = -errno.ENODATA;
