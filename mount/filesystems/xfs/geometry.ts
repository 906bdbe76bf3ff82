import { damaged } from './damaged.js';
import type { Superblock } from './superblock.js';

/** Turns the numbers of blocks and inodes into offsets; a number packs the allocation group and the place in it. */
export class Geometry {
  readonly superblock: Superblock;
  readonly #groupSpan: number;
  readonly #inodeGroupSpan: number;

  constructor(superblock: Superblock) {
    this.superblock = superblock;
    this.#groupSpan = 2 ** superblock.agBlockLog;
    this.#inodeGroupSpan = this.#groupSpan * 2 ** superblock.inodesPerBlockLog;
  }

  /**
   * Where `count` blocks from `block` stand.
   * @returns the offset of the first byte; they are contiguous
   * @throws {UmbraError} FILESYSTEM_DAMAGED when they do not all lie in one allocation group of the volume
   */
  offsetOf(block: number, count = 1): number {
    const { agBlocks, agCount, dataBlocks, blockBytes } = this.superblock;
    const group = Math.floor(block / this.#groupSpan);
    const inGroup = block - group * this.#groupSpan;
    const linear = group * agBlocks + inGroup;
    if (group >= agCount || inGroup + count > agBlocks || linear + count > dataBlocks) {
      throw damaged(`the blocks ${block} to ${block + count - 1} do not exist`);
    }
    return linear * blockBytes;
  }

  /**
   * Where an inode stands.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when there is no such place
   */
  inodeOffset(inode: number): number {
    const { agBlocks, agCount, dataBlocks, blockBytes, inodeBytes } = this.superblock;
    const group = Math.floor(inode / this.#inodeGroupSpan);
    const offset = (inode - group * this.#inodeGroupSpan) * inodeBytes;
    const end = group * agBlocks + Math.floor(offset / blockBytes);
    if (!(inode > 0) || group >= agCount || offset >= agBlocks * blockBytes || end >= dataBlocks) {
      throw damaged(`there is no place for an inode ${inode}`);
    }
    return group * agBlocks * blockBytes + offset;
  }

  /** The offset of an allocation group. */
  groupOffset(group: number): number {
    return group * this.superblock.agBlocks * this.superblock.blockBytes;
  }
}
