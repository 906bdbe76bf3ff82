import type { BigIntStats, StatsFs } from 'node:fs';
import { constants } from 'node:fs';
import type { KernelStat, KernelStatfs } from '../../src/system/fuse/answers.js';
import type { ViewNode } from './view/view-tree.js';

const TWO_32 = 2n ** 32n;
const MAX_UINT32 = 2 ** 32 - 1;
const NS_PER_MS = 1_000_000n;

/** A stat of the directory below as the kernel is told it: times are cut to milliseconds, inode numbers to 32 bits. */
export function statAnswer(stats: BigIntStats): KernelStat {
  return {
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    nlink: Number(stats.nlink),
    ino: Number(stats.ino % TWO_32),
    rdev: Number(stats.rdev % TWO_32),
    blksize: Number(stats.blksize),
    blocks: Number(stats.blocks),
    atime: milliseconds(stats.atimeNs),
    mtime: milliseconds(stats.mtimeNs),
    ctime: milliseconds(stats.ctimeNs),
  };
}

function milliseconds(timeNs: bigint): number {
  return Math.max(0, Number(timeNs / NS_PER_MS));
}

/** Views are for who runs the filter, and for reading. */
export function viewAnswer(node: ViewNode): KernelStat {
  const isFile = node.kind === 'file';
  const size = isFile ? node.file.sizeBytes : 0;
  const timeMs = isFile ? node.timeMs : 0;
  return {
    mode: isFile ? constants.S_IFREG | 0o400 : constants.S_IFDIR | 0o500,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    size,
    nlink: 1,
    ino: 0,
    rdev: 0,
    blksize: 65_536,
    blocks: Math.ceil(size / 512),
    atime: timeMs,
    mtime: timeMs,
    ctime: timeMs,
  };
}

/** fuse-native passes 32 bits: larger blocks make fewer of them. */
export function statfsAnswer({ bsize, blocks, bfree, bavail, files, ffree }: StatsFs): KernelStatfs {
  let factor = 1;
  while (blocks / factor > MAX_UINT32) factor *= 2;
  return {
    bsize: bsize * factor,
    frsize: bsize * factor,
    blocks: Math.floor(blocks / factor),
    bfree: Math.floor(bfree / factor),
    bavail: Math.floor(bavail / factor),
    files: Math.min(MAX_UINT32, files),
    ffree: Math.min(MAX_UINT32, ffree),
    favail: Math.min(MAX_UINT32, ffree),
    fsid: 0,
    flag: 0,
    namemax: 255,
  };
}
