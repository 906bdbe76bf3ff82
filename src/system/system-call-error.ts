import { getSystemErrorName } from 'node:util';

/** A system call failed; `code` is the errno's name (`EAGAIN`), like in Node.js' own errors. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  readonly code: string;
  /** The positive number of the kernel. */
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number) {
    const code = nameOf(errno);
    super(`${code}: ${syscall} failed`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** Linux has one number for two names; Node.js knows only ENOTSUP, manual pages of system calls only the other. */
function nameOf(errno: number): string {
  const name = getSystemErrorName(-errno);
  return name === 'ENOTSUP' ? 'EOPNOTSUPP' : name;
}
