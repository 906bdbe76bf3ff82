import type { MetadataReader } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { FastCommitChanges } from './fast-commit-changes.js';
import type { GroupTable } from './group-table.js';
import type { InodeTable } from './inode-table.js';
import type { Superblock } from './superblock.js';

/** An opened file system's parts, the journal replayed. */
export interface Volume {
  readonly superblock: Superblock;
  /** For contents. */
  readonly source: ByteSource;
  /** For metadata. */
  readonly reader: MetadataReader;
  readonly groups: GroupTable;
  readonly inodes: InodeTable;
  /** What fast commits change. */
  readonly changes: FastCommitChanges | undefined;
}

/**
 * A block of metadata; at once if it is in memory.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it does not stand in the volume
 */
export function metadataBlock({ reader, superblock }: Volume, block: number): Buffer | Promise<Buffer> {
  return reader.get(block * superblock.blockBytes, superblock.blockBytes);
}

/** True if such blocks can belong to a file, as ext4_inode_block_valid() has it (but for the metadata's own). */
export function areDataBlocks({ firstDataBlock, blocksCount }: Superblock, block: number, count: number): boolean {
  return block > firstDataBlock && block + count <= blocksCount;
}
