import { damaged } from '../damaged.js';
import type { Geometry } from '../geometry.js';
import { applyPieces, BUFFER_FLAGS, parseBufferItem } from './buffer-item.js';
import type { CancelledBuffers } from './cancelled-buffers.js';
import { clusterBlocks, emptyInode, parseInodeCreate } from './inode-create-item.js';
import { applyInode, parseInodeItem } from './inode-item.js';
import { Intents } from './intents.js';
import { isInvisible, ITEM } from './item-types.js';
import { SECTOR_BYTES, type SectorOverlay } from './sector-overlay.js';
import { stamp, writtenAt } from './stamps.js';
import type { LogItem, Transaction } from './transactions.js';

/** Does to an overlay what the kernel does to the volume when it recovers the log: its second pass. */
export class Replay {
  readonly intents = new Intents();
  readonly #geometry: Geometry;
  readonly #overlay: SectorOverlay;
  readonly #cancelled: CancelledBuffers;
  /** Buffers that transactions of the same age have changed: their stamps say nothing. */
  #touched = { lsn: 0n, blocks: new Set<number>() };

  constructor(geometry: Geometry, overlay: SectorOverlay, cancelled: CancelledBuffers) {
    this.#geometry = geometry;
    this.#overlay = overlay;
    this.#cancelled = cancelled;
  }

  /**
   * Replay a committed transaction: buffers and new inodes first, then inodes, cancellations at last.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  async apply({ items, lsn }: Transaction): Promise<void> {
    if (this.#touched.lsn !== lsn) this.#touched = { lsn, blocks: new Set() };
    const [inodes, cancels]: [LogItem[], LogItem[]] = [[], []];
    for (const item of items) {
      const type = itemType(item);
      if (type === ITEM.inode) inodes.push(item);
      else if (type === ITEM.inodeCreate) await this.#createInodes(item);
      else if (type === ITEM.buffer) {
        if ((parseBufferItem(item).flags & BUFFER_FLAGS.cancel) !== 0) cancels.push(item);
        else await this.#buffer(item, lsn);
      } else if (!this.intents.note(type, item) && !isInvisible(type)) {
        throw damaged(`the log has an item of unknown type 0x${type.toString(16)}`);
      }
    }
    for (const item of inodes) await this.#inode(item, lsn);
    for (const item of cancels) this.#cancel(item);
  }

  #cancel(item: LogItem): void {
    const { block, blocks } = parseBufferItem(item);
    this.#cancelled.take(block, blocks);
  }

  async #buffer(item: LogItem, lsn: bigint): Promise<void> {
    const { flags, block, blocks } = parseBufferItem(item);
    // Of buffers of inodes only the list of unlinked ones is logged, and quotas are not shown.
    if ((flags & (BUFFER_FLAGS.inodes | BUFFER_FLAGS.quotas)) !== 0 || this.#cancelled.has(block, blocks)) return;
    const bytes = await this.#overlay.read(block, blocks);
    if (!this.#touched.blocks.has(block) && writtenAt(bytes, this.#geometry.superblock) >= lsn) return;
    const before = Buffer.from(bytes);
    applyPieces(item, bytes);
    stamp(bytes, lsn, this.#geometry.superblock);
    this.#touched.blocks.add(block);
    this.#writeChanges(block, before, bytes);
  }

  #writeChanges(block: number, before: Buffer, after: Buffer): void {
    for (let at = 0; at < after.length; at += SECTOR_BYTES) {
      const sector = after.subarray(at, at + SECTOR_BYTES);
      if (!sector.equals(before.subarray(at, at + SECTOR_BYTES)))
        this.#overlay.write(block + at / SECTOR_BYTES, sector);
    }
  }

  async #inode(item: LogItem, lsn: bigint): Promise<void> {
    const { block, blocks, offset } = parseInodeItem(item);
    if (this.#cancelled.has(block, blocks)) return;
    const { inodeBytes } = this.#geometry.superblock;
    if (!Number.isSafeInteger(offset) || offset % inodeBytes !== 0) throw damaged('the log has an inode out of place');
    // Inodes of 256 bytes share their sector.
    const first = Math.floor(offset / SECTOR_BYTES);
    const bytes = await this.#overlay.read(first, Math.ceil(inodeBytes / SECTOR_BYTES));
    const before = Buffer.from(bytes);
    const inSector = offset - first * SECTOR_BYTES;
    const inode = bytes.subarray(inSector, inSector + inodeBytes);
    if (applyInode(item, inode, lsn, this.#geometry.superblock)) this.#writeChanges(first, before, bytes);
  }

  async #createInodes(item: LogItem): Promise<void> {
    const { superblock } = this.#geometry;
    const { group, block, blocks, inodes, generation } = parseInodeCreate(item, this.#geometry);
    const start = this.#geometry.groupOffset(group) + block * superblock.blockBytes;
    if (this.#isChunkCancelled(start, blocks)) return;
    const firstInode = (group * 2 ** superblock.agBlockLog + block) * 2 ** superblock.inodesPerBlockLog;
    const bytes = Buffer.alloc(blocks * superblock.blockBytes);
    for (let index = 0; index < inodes; index++) {
      emptyInode(firstInode + index, generation, this.#geometry).copy(bytes, index * superblock.inodeBytes);
    }
    const before = await this.#overlay.read(start / SECTOR_BYTES, bytes.length / SECTOR_BYTES);
    this.#writeChanges(start / SECTOR_BYTES, before, bytes);
  }

  /** Inodes that were freed again later stay as they are. */
  #isChunkCancelled(start: number, blocks: number): boolean {
    const cluster = clusterBlocks(this.#geometry);
    const each = (cluster * this.#geometry.superblock.blockBytes) / SECTOR_BYTES;
    for (let done = 0; done < blocks; done += cluster) {
      if (this.#cancelled.has(start / SECTOR_BYTES + (done / cluster) * each, each)) return true;
    }
    return false;
  }
}

/** The type of an item: the first number of its description. */
export function itemType({ regions: [format] }: LogItem): number {
  return format === undefined || format.length < 2 ? 0 : format.readUInt16LE(0);
}
