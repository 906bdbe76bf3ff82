import { damaged, takeApart } from '../damaged.js';
import { number64LittleEndian } from './little-endian.js';
import type { LogItem } from './transactions.js';

/** Flags of a buffer's item. */
export const BUFFER_FLAGS = { inodes: 0x01, cancel: 0x02, quotas: 0x1c } as const;
/** Each bit of the map stands for so many bytes. */
const PIECE_BYTES = 128;
const MAP_OFFSET = 20;
/** The largest buffer is a block of 64 KiB, or a cluster of inodes of 64 KiB. */
const MOST_BLOCKS = 256;

/** A logged buffer: some pieces of a few blocks of metadata. */
export interface BufferItem {
  readonly flags: number;
  /** In units of 512 bytes. */
  readonly block: number;
  readonly blocks: number;
}

/**
 * What a buffer's item is about.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseBufferItem({ regions: [format] }: LogItem): BufferItem {
  if (format === undefined || format.length < MAP_OFFSET) throw damaged('a buffer of the log is cut off');
  const item = {
    flags: format.readUInt16LE(4),
    blocks: format.readUInt16LE(6),
    block: number64LittleEndian(format, 8),
  };
  if (item.blocks === 0 || item.blocks > MOST_BLOCKS) throw damaged(`the log has a buffer of ${item.blocks} blocks`);
  return item;
}

/**
 * Put the logged pieces into the buffer; runs of set bits in the map say where each region belongs.
 * @param bytes the buffer, changed
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function applyPieces(item: LogItem, bytes: Buffer): void {
  takeApart('a buffer of the log', () => {
    const [format, ...data] = item.regions;
    if (format === undefined) return;
    const bits = Math.min(format.readUInt32LE(16), (format.length - MAP_OFFSET) >>> 2) * 32;
    let bit = 0;
    for (const region of data) {
      while (bit < bits && !isSet(format, bit)) bit++;
      let end = bit;
      while (end < bits && isSet(format, end)) end++;
      // A run may be logged in several regions.
      const length = Math.min((end - bit) * PIECE_BYTES, region.length - (region.length % PIECE_BYTES));
      const at = bit * PIECE_BYTES;
      if (length === 0 || at + length > bytes.length) throw damaged('a piece of the log lies outside of its buffer');
      region.copy(bytes, at, 0, length);
      bit += length / PIECE_BYTES;
    }
  });
}

function isSet(format: Buffer, bit: number): boolean {
  const word = format.readUInt32LE(MAP_OFFSET + (bit >>> 5) * 4);
  return ((word >>> (bit & 31)) & 1) === 1;
}
