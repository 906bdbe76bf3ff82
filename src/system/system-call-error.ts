import { getSystemErrorName } from 'node:util';

/** A system call failed; `code` is the errno's name (`EAGAIN`), like in Node.js' own errors. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  readonly code: string;
  /** The positive number of the kernel. */
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${code}: ${syscall} failed`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}
