import { readdirSync, readlinkSync } from 'node:fs';

/** This process's descriptors of /dev/fuse: one for each connection. */
export function connectionDescriptors(): number[] {
  return readdirSync('/proc/self/fd').map(Number).filter(isConnection);
}

/** True if the descriptor is one of a connection. */
export function isConnection(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/fuse';
  } catch {
    return false;
  }
}
