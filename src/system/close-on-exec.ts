import { libc, systemCall } from './libc.js';

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/**
 * Keep the descriptor from programs that this process starts.
 * @throws {SystemCallError} EBADF when it is not open
 */
export function setCloseOnExec(fd: number): void {
  systemCall('fcntl', () => libc().fcntl(fd, F_SETFD, 'int', FD_CLOEXEC));
}
