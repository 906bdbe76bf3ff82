import { constants } from 'node:os';

const { errno } = constants;

/** An errno of our own making, on its way to the kernel. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly errno: number;

  constructor(code: 'EACCES' | 'EBADF' | 'EINVAL' | 'EISDIR' | 'ENFILE' | 'ENOENT' | 'EROFS') {
    super(code);
    this.errno = errno[code];
  }
}

/** Negative, as FUSE wants it: what the file system below said; -EIO for what is no system call's error. */
export function errnoOf(error: unknown): number {
  if (typeof error === 'object' && error !== null && 'errno' in error && typeof error.errno === 'number') {
    return -Math.abs(error.errno);
  }
  return -errno.EIO;
}
