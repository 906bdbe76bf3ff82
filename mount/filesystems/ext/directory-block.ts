import { crcOf, crcOfNumber } from './checksum.js';
import { recordBytes } from './directory-entries.js';

/** A false entry at the end of a block holds its checksum. */
const TAIL_BYTES = 12;
const TAIL_TYPE = 0xde;
/** What ends the index entries of a block: four reserved bytes and the checksum. */
const INDEX_TAIL_BYTES = 8;
const INDEX_ENTRY_BYTES = 8;

/** True if a block holds index entries only: it looks like one free entry. */
export function isIndexNode(block: Buffer): boolean {
  return block.readUInt32LE(0) === 0 && recordBytes(block, 0) === block.length;
}

/** Where the index entries start in the first block of an indexed directory, as dx_get_count() and its kin have it. */
export function rootEntriesAt(block: Buffer): number {
  return 24 + block.readUInt8(29);
}

/** Where the index entries start in any other block of them. */
export const NODE_ENTRIES_AT = 8;

/** Whether the checksum of a block of entries is right. @param seed that of the directory's inode */
export function isLeafRight(block: Buffer, seed: number): boolean {
  const at = block.length - TAIL_BYTES;
  const isTail =
    block.readUInt32LE(at) === 0 &&
    block.readUInt16LE(at + 4) === TAIL_BYTES &&
    block[at + 6] === 0 &&
    block[at + 7] === TAIL_TYPE;
  return isTail && crcOf(seed, block.subarray(0, at)) === block.readUInt32LE(at + 8);
}

/** Whether the checksum of a block of index entries, that start at `entriesAt`, is right. */
export function isIndexRight(block: Buffer, entriesAt: number, seed: number): boolean {
  const limit = block.readUInt16LE(entriesAt);
  const count = block.readUInt16LE(entriesAt + 2);
  const tail = entriesAt + limit * INDEX_ENTRY_BYTES;
  if (count > limit || tail + INDEX_TAIL_BYTES > block.length) return false;
  const entries = crcOf(seed, block.subarray(0, entriesAt + count * INDEX_ENTRY_BYTES));
  const all = crcOfNumber(crcOf(entries, block.subarray(tail, tail + 4)), 0);
  return all === block.readUInt32LE(tail + 4);
}
