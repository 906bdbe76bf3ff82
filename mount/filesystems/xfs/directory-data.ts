import { damaged, takeApart } from './damaged.js';
import { entryType, type RawEntry } from './directory-entry.js';
import type { TreeBlock } from './directory-blocks.js';
import { DIRECTORY_DATA, type Metadata, number64 } from './metadata.js';

/** `XDB3`, `XDD3`; `XD2B`, `XD2D`: a directory of one block, and one of the data blocks of a larger one. */
const MAGIC = { v5: { block: 0x58444233, data: 0x58444433 }, v4: { block: 0x58443242, data: 0x58443244 } } as const;
const HEADER_BYTES = { v5: 64, v4: 16 } as const;
const FREE_TAG = 0xffff;

/** A block with entries, checked; the entries begin at `start` and end at `end`. */
export interface DataBlock {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** A directory of one block: its index stands behind the entries. */
  readonly isWhole: boolean;
}

/**
 * Check a block of entries.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function openDataBlock(metadata: Metadata, block: TreeBlock, owner: number): DataBlock {
  const { bytes, offset } = block;
  const version = metadata.geometry.superblock.version === 5 ? 'v5' : 'v4';
  const magic = bytes.readUInt32BE(0);
  const isWhole = magic === MAGIC[version].block;
  if (!isWhole && magic !== MAGIC[version].data) throw damaged(`a data block of directory ${owner} is none`);
  metadata.check(bytes, DIRECTORY_DATA, owner, offset, `a block of directory ${owner}`);
  const end = isWhole ? indexStart(bytes) : bytes.length;
  return { bytes, start: HEADER_BYTES[version], end, isWhole };
}

/** Where the index of a directory of one block begins: its size stands at the end. */
export function indexStart(bytes: Buffer): number {
  const start = bytes.length - 8 - bytes.readUInt32BE(bytes.length - 8) * 8;
  if (start < 0) throw damaged('the index of a directory is larger than its block');
  return start;
}

/**
 * All entries of a block, `.` and `..` too ("XFS Algorithms & Data Structures", block directories).
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function blockEntries(block: DataBlock, hasFtype: boolean): RawEntry[] {
  return takeApart('a block of a directory', () => {
    const entries: RawEntry[] = [];
    for (let at = block.start; at < block.end;) {
      if (block.bytes.readUInt16BE(at) === FREE_TAG) at += freeBytes(block, at);
      else {
        const entry = entryAt(block, at, hasFtype);
        entries.push(entry);
        at += entryBytes(entry.name.length, hasFtype);
      }
    }
    return entries;
  });
}

function freeBytes(block: DataBlock, at: number): number {
  const length = block.bytes.readUInt16BE(at + 2);
  if (length === 0 || length % 8 !== 0) throw damaged('a block of a directory has free space of no size');
  return length;
}

/**
 * The entry at an offset in a block.
 * @throws {UmbraError} FILESYSTEM_DAMAGED; RangeError outside of it
 */
export function entryAt(block: DataBlock, at: number, hasFtype: boolean): RawEntry {
  const { bytes, start, end } = block;
  const length = bytes.readUInt8(at + 8);
  if (length === 0 || at < start || at + entryBytes(length, hasFtype) > end) {
    throw damaged('an entry of a directory makes no sense');
  }
  const type = hasFtype ? entryType(bytes.readUInt8(at + 9 + length)) : undefined;
  return { name: bytes.subarray(at + 9, at + 9 + length), inode: number64(bytes, at), type };
}

function entryBytes(nameLength: number, hasFtype: boolean): number {
  return Math.ceil((nameLength + (hasFtype ? 12 : 11)) / 8) * 8;
}
