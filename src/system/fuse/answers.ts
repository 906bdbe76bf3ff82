import { constants } from 'node:os';

const ERANGE = -constants.errno.ERANGE;

/** A stat as the kernel wants it; times are milliseconds since 1970, not negative. */
export interface KernelStat {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  nlink: number;
  ino: number;
  rdev: number;
  blksize: number;
  blocks: number;
  atime: number;
  mtime: number;
  ctime: number;
}

/** Figures of a file system as the kernel wants them; each is cut to 32 bits. */
export interface KernelStatfs {
  bsize: number;
  frsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  favail: number;
  fsid: number;
  flag: number;
  namemax: number;
}

/** Numbers in the array that fuse-native makes a `struct stat` of, and where some of them stand in it. */
const STAT_NUMBERS = 18;
const MODE = 0;
const NLINK = 6;
const INO = 7;
const TWO_32 = 2 ** 32;

const numbers = new Uint32Array(STAT_NUMBERS);

/**
 * What fuse-native makes a `struct stat` of; without a stat all zeros but for one link. The array is the same each time, so it must
 * be read at once.
 */
export function statNumbers(stat: KernelStat | undefined): Uint32Array {
  numbers.fill(0);
  numbers[NLINK] = 1;
  if (stat === undefined) return numbers;
  numbers[MODE] = stat.mode;
  numbers[1] = stat.uid;
  numbers[2] = stat.gid;
  setDouble(3, stat.size);
  numbers[NLINK] = Math.max(1, stat.nlink);
  numbers[INO] = stat.ino;
  numbers[8] = stat.rdev;
  numbers[9] = stat.blksize;
  setDouble(10, stat.blocks);
  setDouble(12, stat.atime);
  setDouble(14, stat.mtime);
  setDouble(16, stat.ctime);
  return numbers;
}

/** The lower 32 bits first. */
function setDouble(at: number, value: number): void {
  numbers[at] = value % TWO_32;
  numbers[at + 1] = value / TWO_32;
}

/**
 * What fuse-native wants to know of each entry of a directory: an array of stats, of which the kernel gets the type and
 * the inode number. For 300,000 entries that would be 300,000 small arrays, 130 bytes each in the heap of Node.js and as
 * many outside of it. They are read one by one, from first to last, so all are the same array, filled when it is read:
 * the list itself is empty, and what is looked up in an empty place of an array is asked of its prototype.
 */
export function entryStats(types: readonly number[], inos: readonly number[]): readonly Uint32Array[] {
  const stat = new Uint32Array(STAT_NUMBERS);
  stat[NLINK] = 1;
  const prototype = new Proxy(Array.prototype, {
    get(target, key) {
      const index = typeof key === 'string' ? Number(key) : NaN;
      if (Number.isNaN(index)) return Reflect.get(target, key) as unknown;
      stat[MODE] = types[index] ?? 0;
      stat[INO] = inos[index] ?? 0;
      return stat;
    },
  });
  const stats = new Array<Uint32Array>(types.length);
  Object.setPrototypeOf(stats, prototype);
  return stats;
}

/**
 * What the kernel's questions for extended attributes want: the size alone if `target` has no length, else all bytes in
 * it, and the size.
 * @returns the size, or -ERANGE when they don't fit
 */
export function copyWhole(bytes: Uint8Array, target: Uint8Array): number {
  if (target.length === 0) return bytes.length;
  if (bytes.length > target.length) return ERANGE;
  target.set(bytes);
  return bytes.length;
}
