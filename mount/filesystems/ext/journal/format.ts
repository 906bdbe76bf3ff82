import { CRC_START, crcOf, crcOfNumber, crcWithoutField } from '../checksum.js';
import { damaged } from '../errors.js';

/**
 * The journal's format (jbd2), as include/linux/jbd2.h has it: all numbers are big-endian.
 * @module
 */

const MAGIC = 0xc03b3998;
const SUPERBLOCK_BYTES = 1024;
const SUPERBLOCK_CHECKSUM_AT = 252;
const DEFAULT_FAST_COMMIT_BLOCKS = 256;
const MIN_JOURNAL_BLOCKS = 1024;
const CRC32C = 4;
const ALL_KNOWN = 0x3f;

/** Kinds of blocks. */
export const KIND = { DESCRIPTOR: 1, COMMIT: 2, SUPERBLOCK_V1: 3, SUPERBLOCK_V2: 4, REVOKE: 5 } as const;

/** What a journal's superblock says. */
export interface JournalSuperblock {
  readonly maxBlocks: number;
  /** The first block of the log. */
  readonly first: number;
  /** The block behind the last one of the log. */
  readonly last: number;
  /** The blocks of fast commits: from the first, before the end; none without the feature. */
  readonly fastFirst: number;
  readonly fastEnd: number;
  /** The transaction that the log starts with, and where; 0 for an empty log. */
  readonly sequence: number;
  readonly start: number;
  readonly has64bit: boolean;
  readonly hasAsyncCommits: boolean;
  /** The first kind of checksum: over a whole transaction, in its commit block. */
  readonly sumsTransactions: boolean;
  /** 2 and 3: a checksum for each block; 0 for none. */
  readonly checksumVersion: 0 | 2 | 3;
  readonly checksumSeed: number;
}

/**
 * Take a journal's superblock apart, checked as jbd2 does when it loads it.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseJournalSuperblock(block: Buffer, journalBlocks: number): JournalSuperblock {
  const kind = block.readUInt32BE(4);
  const isOne = kind === KIND.SUPERBLOCK_V1 || kind === KIND.SUPERBLOCK_V2;
  if (block.readUInt32BE(0) !== MAGIC || !isOne) throw damaged('the journal has no superblock');
  if (block.readUInt32BE(12) !== block.length) throw damaged('the journal has blocks of another size');
  const compat = kind === KIND.SUPERBLOCK_V1 ? 0 : block.readUInt32BE(36);
  const incompat = kind === KIND.SUPERBLOCK_V1 ? 0 : block.readUInt32BE(40);
  if ((incompat & ~ALL_KNOWN) !== 0) throw damaged('the journal uses features that are not known');
  const checksumVersion = checksumVersionOf(block, incompat);
  const places = placesOf(block, (incompat & 0x20) !== 0);
  const { maxBlocks, first, last, start } = places;
  const makesSense =
    maxBlocks <= journalBlocks && first > 0 && first < last && (start === 0 || (start >= first && start < last));
  if (!makesSense) throw damaged('the superblock of the journal makes no sense');
  return {
    ...places,
    sequence: block.readUInt32BE(24),
    has64bit: (incompat & 2) !== 0,
    hasAsyncCommits: (incompat & 4) !== 0,
    sumsTransactions: (compat & 1) !== 0,
    checksumVersion,
    checksumSeed: crcOf(CRC_START, block.subarray(48, 64)),
  };
}

function checksumVersionOf(block: Buffer, incompat: number): 0 | 2 | 3 {
  const has = { v2: (incompat & 8) !== 0, v3: (incompat & 0x10) !== 0 };
  if (!has.v2 && !has.v3) return 0;
  if ((has.v2 && has.v3) || block[80] !== CRC32C) throw damaged('the checksums of the journal are of no known kind');
  const sum = crcWithoutField(CRC_START, block.subarray(0, SUPERBLOCK_BYTES), SUPERBLOCK_CHECKSUM_AT);
  if (sum !== block.readUInt32BE(SUPERBLOCK_CHECKSUM_AT)) {
    throw damaged('the checksum of the superblock of the journal is wrong');
  }
  return has.v3 ? 3 : 2;
}

function placesOf(block: Buffer, hasFastCommits: boolean) {
  const maxBlocks = block.readUInt32BE(16);
  const fastBlocks = hasFastCommits ? block.readUInt32BE(84) || DEFAULT_FAST_COMMIT_BLOCKS : 0;
  const last = maxBlocks - fastBlocks >= MIN_JOURNAL_BLOCKS ? maxBlocks - fastBlocks : maxBlocks;
  return {
    maxBlocks,
    first: block.readUInt32BE(20),
    last,
    fastFirst: last + 1,
    fastEnd: maxBlocks,
    start: block.readUInt32BE(28),
  };
}

/** The header of a block of the log; undefined for a block that is none. */
export function headerOf(block: Buffer): { readonly kind: number; readonly sequence: number } | undefined {
  if (block.readUInt32BE(0) !== MAGIC) return undefined;
  return { kind: block.readUInt32BE(4), sequence: block.readUInt32BE(8) };
}

/** What stands in place of the first bytes of a block that would look like one of the log's own. */
export const ESCAPED_BYTES = Buffer.of(0xc0, 0x3b, 0x39, 0x98);

/** A block that a descriptor names. */
export interface Tag {
  /** The block of the file system that it replaces. */
  readonly block: number;
  readonly isEscaped: boolean;
  /** As it is stored: 16 bits in version 2, 32 in version 3. */
  readonly checksum: number;
}

const HEADER_BYTES = 12;
const UUID_BYTES = 16;
const TAIL_BYTES = 4;
const FLAG_ESCAPE = 1;
const FLAG_SAME_UUID = 2;
const FLAG_LAST = 8;

function tagBytesOf({ checksumVersion, has64bit }: JournalSuperblock): number {
  if (checksumVersion === 3) return 16;
  return (has64bit ? 12 : 8) + (checksumVersion === 2 ? 2 : 0);
}

/** The tags of a descriptor block, each for the next block of the log. */
export function tagsOf(block: Buffer, journal: JournalSuperblock): Tag[] {
  const isV3 = journal.checksumVersion === 3;
  const tagBytes = tagBytesOf(journal);
  const end = block.length - (journal.checksumVersion === 0 ? 0 : TAIL_BYTES);
  const tags: Tag[] = [];
  for (let at = HEADER_BYTES; at + tagBytes <= end;) {
    const flags = block.readUInt16BE(at + 6);
    const high = journal.has64bit ? block.readUInt32BE(at + 8) : 0;
    tags.push({
      block: high * 2 ** 32 + block.readUInt32BE(at),
      isEscaped: (flags & FLAG_ESCAPE) !== 0,
      checksum: isV3 ? block.readUInt32BE(at + 12) : block.readUInt16BE(at + 4),
    });
    at += tagBytes + ((flags & FLAG_SAME_UUID) === 0 ? UUID_BYTES : 0);
    if ((flags & FLAG_LAST) !== 0) break;
  }
  return tags;
}

/** The blocks that a revoke block names. */
export function* revokedBy(block: Buffer, { has64bit, checksumVersion }: JournalSuperblock): Generator<number> {
  const end = Math.min(block.readUInt32BE(12), block.length - (checksumVersion === 0 ? 0 : TAIL_BYTES));
  const recordBytes = has64bit ? 8 : 4;
  for (let at = HEADER_BYTES + 4; at + recordBytes <= end; at += recordBytes) {
    yield has64bit ? block.readUInt32BE(at) * 2 ** 32 + block.readUInt32BE(at + 4) : block.readUInt32BE(at);
  }
}

/** Whether the checksum at the end of a descriptor or revoke block is right. */
export function isTailRight(block: Buffer, { checksumVersion, checksumSeed }: JournalSuperblock): boolean {
  if (checksumVersion === 0) return true;
  const at = block.length - TAIL_BYTES;
  return crcOfNumber(crcOf(checksumSeed, block.subarray(0, at)), 0) === block.readUInt32BE(at);
}

/** Whether the checksum of a block that a tag names is right. */
export function isBlockRight(block: Buffer, sequence: number, checksum: number, journal: JournalSuperblock): boolean {
  if (journal.checksumVersion === 0) return true;
  const start = Buffer.allocUnsafe(4);
  start.writeUInt32BE(sequence);
  const sum = crcOf(crcOf(journal.checksumSeed, start), block);
  return (journal.checksumVersion === 3 ? sum : sum & 0xffff) === checksum;
}

const COMMIT_CHECKSUM_AT = 16;
const CRC32 = 1;

/** Whether the checksum of a commit block is right. @param sum that of the transaction's blocks, of the first kind */
export function isCommitRight(block: Buffer, sum: number, journal: JournalSuperblock): boolean {
  const stored = block.readUInt32BE(COMMIT_CHECKSUM_AT);
  if (journal.sumsTransactions) {
    const kind = block.readUInt8(12);
    const bytes = block.readUInt8(13);
    const isUnused = kind === 0 && bytes === 0 && stored === 0;
    return isUnused || (kind === CRC32 && bytes === 4 && stored === sum);
  }
  if (journal.checksumVersion === 0) return true;
  return crcWithoutField(journal.checksumSeed, block, COMMIT_CHECKSUM_AT) === stored;
}

/** When a transaction was committed, in seconds. */
export function commitTimeOf(block: Buffer): bigint {
  return block.readBigUInt64BE(48);
}
