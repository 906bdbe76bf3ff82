import { stampChecksum } from '../checksum.js';
import { damaged } from '../damaged.js';
import type { Geometry } from '../geometry.js';
import { INODE_CRC_OFFSET, INODE_MAGIC } from '../inode.js';
import type { LogItem } from './transactions.js';

const ITEM_BYTES = 28;

/** New inodes: a stretch of blocks that is filled with empty ones. */
export interface InodeCreateItem {
  readonly group: number;
  /** First block, in the group. */
  readonly block: number;
  readonly blocks: number;
  readonly inodes: number;
  readonly generation: number;
}

/**
 * What an item for new inodes is about.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseInodeCreate({ regions: [bytes] }: LogItem, { superblock }: Geometry): InodeCreateItem {
  if (bytes === undefined || bytes.length < ITEM_BYTES) throw damaged('new inodes in the log are cut off');
  const item = {
    group: bytes.readUInt32BE(4),
    block: bytes.readUInt32BE(8),
    inodes: bytes.readUInt32BE(12),
    blocks: bytes.readUInt32BE(20),
    generation: bytes.readUInt32BE(24),
  };
  const inodesPerBlock = 2 ** superblock.inodesPerBlockLog;
  const fits =
    item.group < superblock.agCount &&
    item.block > 0 &&
    item.block + item.blocks <= superblock.agBlocks &&
    item.inodes === item.blocks * inodesPerBlock &&
    item.inodes > 0 &&
    item.inodes <= Math.max(64, inodesPerBlock) &&
    bytes.readUInt32BE(16) === superblock.inodeBytes;
  if (!fits) throw damaged('new inodes in the log make no sense');
  return item;
}

/** Inodes are written and freed in clusters of so many blocks. */
export function clusterBlocks({ superblock }: Geometry): number {
  const { blockBytes, inodeBytes, inodeAlignment } = superblock;
  const large = (8192 * inodeBytes) / 256;
  const bytes = inodeAlignment >= Math.ceil(large / blockBytes) ? large : 8192;
  return Math.max(1, bytes / blockBytes);
}

/** An inode that is not used yet (xfs_ialloc_inode_init). */
export function emptyInode(number: number, generation: number, { superblock }: Geometry): Buffer {
  const inode = Buffer.alloc(superblock.inodeBytes);
  inode.writeUInt16BE(INODE_MAGIC, 0);
  inode.writeUInt8(3, 4);
  inode.writeUInt32BE(generation, 92);
  inode.writeUInt32BE(0xffffffff, 96);
  inode.writeBigUInt64BE(BigInt(number), 152);
  superblock.metaUuid.copy(inode, 160);
  stampChecksum(inode, INODE_CRC_OFFSET);
  return inode;
}
