import koffi from 'koffi';
import { messageOf, UmbraError } from '../common/errors.js';
import { SystemCallError } from './system-call-error.js';

/** The calls of the C library that Node.js does not offer. Offsets and lengths are 64 bits wide. */
interface LibC {
  lseek(fd: number, offset: number, whence: number): number | bigint;
  flock(fd: number, operation: number): number;
  fcntl(fd: number, command: number, argumentType: string, argument: ArrayBuffer | number): number;
  ioctl(fd: number, request: number, argumentType: string, argument: ArrayBuffer): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  posixFadvise(fd: number, offset: number, length: number, advice: number): number;
  /** The same by a thread of libuv's pool. */
  posixFadviseBeside(fd: number, offset: number, length: number, advice: number, done: Done): void;
  /** Paths end with a NUL byte. */
  llistxattr(path: Uint8Array, list: Uint8Array, size: number): number | bigint;
  lgetxattr(path: Uint8Array, name: string, value: Uint8Array, size: number): number | bigint;
  lsetxattr(path: Uint8Array, name: string, value: Uint8Array, size: number, flags: number): number;
  lremovexattr(path: Uint8Array, name: string): number;
  fsetxattr(fd: number, name: string, value: Uint8Array, size: number, flags: number): number;
  fremovexattr(fd: number, name: string): number;
  futimens(fd: number, times: Uint8Array): number;
  utimensat(directory: number, path: Uint8Array, times: Uint8Array, flags: number): number;
  mknod(path: Uint8Array, mode: number, device: bigint): number;
  renameat2(fromDirectory: number, from: Uint8Array, toDirectory: number, to: Uint8Array, flags: number): number;
}

type Done = (error: Error | null, result: number) => void;

let loaded: LibC | undefined;

/**
 * The C library, loaded once for each thread.
 * @throws {UmbraError} PROGRAM_MISSING
 */
export function libc(): LibC {
  loaded ??= load();
  return loaded;
}

/**
 * Make one system call; again when a signal interrupted it. errno belongs to the thread and is
 * read at once, so nothing may stand between the call and this check.
 * @returns what the call returned, never negative
 * @throws {SystemCallError}
 */
export function systemCall(name: string, call: () => number | bigint): number {
  for (;;) {
    const result = Number(call());
    if (result >= 0) return result;
    const errno = koffi.errno();
    if (errno !== koffi.os.errno['EINTR']) throw new SystemCallError(name, errno);
  }
}

function load(): LibC {
  try {
    const library = koffi.load('libc.so.6');
    const posixFadvise = library.func('int posix_fadvise64(int fd, int64_t offset, int64_t length, int advice)');
    return {
      lseek: library.func('int64_t lseek64(int fd, int64_t offset, int whence)'),
      flock: library.func('int flock(int fd, int operation)'),
      fcntl: library.func('int fcntl(int fd, int command, ...)'),
      ioctl: library.func('int ioctl(int fd, unsigned long request, ...)'),
      fallocate: library.func('int fallocate64(int fd, int mode, int64_t offset, int64_t length)'),
      posixFadvise,
      posixFadviseBeside: posixFadvise.async as LibC['posixFadviseBeside'],
      llistxattr: library.func('int64_t llistxattr(const uint8_t *path, uint8_t *list, size_t size)'),
      lgetxattr: library.func('int64_t lgetxattr(const uint8_t *path, const char *name, uint8_t *value, size_t size)'),
      lsetxattr: library.func(
        'int lsetxattr(const uint8_t *path, const char *name, const uint8_t *value, size_t size, int flags)',
      ),
      lremovexattr: library.func('int lremovexattr(const uint8_t *path, const char *name)'),
      fsetxattr: library.func('int fsetxattr(int fd, const char *name, const uint8_t *value, size_t size, int flags)'),
      fremovexattr: library.func('int fremovexattr(int fd, const char *name)'),
      futimens: library.func('int futimens(int fd, const uint8_t *times)'),
      utimensat: library.func('int utimensat(int dirfd, const uint8_t *path, const uint8_t *times, int flags)'),
      mknod: library.func('int mknod(const uint8_t *path, uint32_t mode, uint64_t device)'),
      renameat2: library.func(
        'int renameat2(int olddirfd, const uint8_t *oldpath, int newdirfd, const uint8_t *newpath, uint32_t flags)',
      ),
    };
  } catch (error) {
    throw new UmbraError('PROGRAM_MISSING', `the GNU C library cannot be used: ${messageOf(error)}`, {
      hint: 'Umbra needs Linux with glibc (libc.so.6).',
      cause: error,
    });
  }
}
