import { constants } from 'node:fs';
import type { FilesystemUsage } from './filesystems/filesystem.js';
import type { KernelStat, KernelStatfs } from '../src/system/fuse/answers.js';
import { MAX_GUEST_NAME, type NodeKind, type NodeStat } from './node.js';

const BLOCK_BYTES = 4096;
const MAX_UINT32 = 2 ** 32 - 1;

/** The bits of a mode that say what a file is. */
export const TYPE_BITS: Readonly<Record<NodeKind, number>> = {
  directory: constants.S_IFDIR,
  file: constants.S_IFREG,
  link: constants.S_IFLNK,
  'character-device': constants.S_IFCHR,
  'block-device': constants.S_IFBLK,
  fifo: constants.S_IFIFO,
  socket: constants.S_IFSOCK,
};

/** What the kernel is told of a node. */
export function kernelStat(stat: NodeStat): KernelStat {
  const { mtimeMs, atimeMs = mtimeMs, ctimeMs = mtimeMs } = stat;
  return {
    mode: TYPE_BITS[stat.kind] | stat.permissions,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.sizeBytes,
    nlink: stat.nlink,
    ino: stat.ino,
    rdev: stat.device === undefined ? 0 : deviceNumber(stat.device),
    blksize: BLOCK_BYTES,
    blocks: stat.blocks,
    atime: unsigned(atimeMs),
    mtime: unsigned(mtimeMs),
    ctime: unsigned(ctimeMs),
  };
}

/** fuse-native passes unsigned milliseconds. */
function unsigned(timeMs: number): number {
  return Math.max(0, Math.trunc(timeMs));
}

/** Linux' split of a device number: twelve bits of major and twenty of minor. */
function deviceNumber({ major, minor }: { readonly major: number; readonly minor: number }): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** No blocks at all: `df` then leaves the mount out, as it does other file systems that take no space. */
const NO_BLOCKS: KernelStatfs = {
  bsize: BLOCK_BYTES,
  frsize: BLOCK_BYTES,
  blocks: 0,
  bfree: 0,
  bavail: 0,
  files: 0,
  ffree: 0,
  favail: 0,
  fsid: 0,
  flag: 0,
  namemax: 255,
};

/** The figures of a guest's file system, or those of the mount. */
export function kernelStatfs(usage: FilesystemUsage | undefined): KernelStatfs {
  if (usage === undefined) return NO_BLOCKS;
  // fuse-native passes 32 bits: larger blocks make fewer of them.
  let factor = 1;
  while (usage.blocks / factor > MAX_UINT32) factor *= 2;
  const blockBytes = usage.blockBytes * factor;
  const free = Math.floor(usage.freeBlocks / factor);
  return {
    ...NO_BLOCKS,
    bsize: blockBytes,
    frsize: blockBytes,
    blocks: Math.floor(usage.blocks / factor),
    bfree: free,
    bavail: Math.floor((usage.availableBlocks ?? usage.freeBlocks) / factor),
    files: Math.min(MAX_UINT32, usage.files),
    ffree: Math.min(MAX_UINT32, usage.freeFiles),
    favail: Math.min(MAX_UINT32, usage.freeFiles),
    namemax: MAX_GUEST_NAME,
  };
}
