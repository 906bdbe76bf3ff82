import type { FileId } from '../filesystem.js';
import { damaged } from './numbers.js';

/** A file: an inode of a subvolume. */
export interface FileNumber {
  readonly treeId: number;
  readonly inode: number;
  /**
   * True for the empty directory that stands in a snapshot where its origin had a subvolume; `inode` is the directory
   * that holds it.
   */
  readonly isPlaceholder: boolean;
}

const PLACEHOLDER = 1n << 128n;

/** The number of a file in a whole file system: its subvolume's in the upper half, its inode's in the lower. */
export function fileId(treeId: number, inode: number): bigint {
  return (BigInt(treeId) << 64n) | BigInt(inode);
}

/** The number of the empty directory at the place of a subvolume in a directory of a snapshot. */
export function placeholderId(treeId: number, directory: number): FileId {
  return PLACEHOLDER | fileId(treeId, directory);
}

/** @throws {UmbraError} FILESYSTEM_DAMAGED for what fileId did not make */
export function parseFileId(id: FileId): FileNumber {
  const bits = BigInt(id);
  const inode = Number(bits & 0xffffffffffffffffn);
  const treeId = Number((bits >> 64n) & 0xffffffffffffffffn);
  if (bits < 0n || !Number.isSafeInteger(inode) || !Number.isSafeInteger(treeId))
    throw damaged(`there is no file ${id}`);
  return { treeId, inode, isPlaceholder: bits >= PLACEHOLDER };
}
