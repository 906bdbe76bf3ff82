import type { BigIntStats } from 'node:fs';
import type { FileStat } from '../../mount/filesystems/filesystem.js';

/**
 * What something that is there is, in words, if a file must not take its place: a directory, or a device, FIFO or socket,
 * which programs of this machine use (`/dev/null`). Undefined for regular files and symbolic links, and for a special
 * file that the new one is the like of: to copy a tree once more changes nothing there.
 */
export function irreplaceable(there: BigIntStats, by: FileStat): string | undefined {
  if (there.isFile() || there.isSymbolicLink()) return undefined;
  if (there.isDirectory()) return 'a directory';
  if (there.isFIFO()) return by.type === 'fifo' ? undefined : 'a FIFO';
  if (there.isSocket()) return by.type === 'socket' ? undefined : 'a socket';
  const type = there.isBlockDevice() ? 'block-device' : 'character-device';
  if (by.type === type && isSameDevice(there.rdev, by.device)) return undefined;
  return type === 'block-device' ? 'a block device' : 'a character device';
}

/** @param rdev as glibc's makedev(3) puts the two numbers together */
function isSameDevice(rdev: bigint, device: FileStat['device']): boolean {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return device !== undefined && BigInt(device.major) === major && BigInt(device.minor) === minor;
}
