import { crcOf } from '../checksum.js';
import type { FastCommitArea } from './replay.js';

/** Kinds of tags, as fs/ext4/fast_commit.h has them. */
export const TAG = {
  ADD_RANGE: 1,
  DEL_RANGE: 2,
  CREAT: 3,
  LINK: 4,
  UNLINK: 5,
  INODE: 6,
  PAD: 7,
  TAIL: 8,
  HEAD: 9,
} as const;

const TAG_BYTES = 4;
/** What is looked at: default areas have up to 4,096 blocks. */
const MAX_AREA_BYTES = 32 * 1024 * 1024;

/** A change that a fast commit makes. */
export interface FastTag {
  readonly kind: number;
  /** Good until the next one is asked for. */
  readonly value: Buffer;
}

/**
 * The changes of all fast commits that are whole and belong to the transaction that follows the log. The area is read
 * twice, so that none of them is kept: the first time to find out where the last whole commit ends.
 */
export async function* fastCommitTags(area: FastCommitArea): AsyncGenerator<FastTag> {
  let left = await countWhole(area);
  const scan = new FastScan(area.sequence);
  for (let number = area.journal.fastFirst; left > 0; number++) {
    const tags: FastTag[] = [];
    scan.take(await area.log.read(number), tags);
    yield* tags.slice(0, left);
    left -= tags.length;
  }
}

/** How many changes there are up to the last tail that is right. */
async function countWhole({ log, journal, sequence }: FastCommitArea): Promise<number> {
  const scan = new FastScan(sequence);
  const end = Math.min(journal.fastEnd, journal.fastFirst + Math.floor(MAX_AREA_BYTES / log.blockBytes));
  for (let number = journal.fastFirst; number < end; number++) {
    if (!scan.take(await log.read(number), [])) break;
  }
  return scan.whole;
}

class FastScan {
  /** How many changes there were up to the last tail that was right. */
  whole = 0;
  readonly #sequence: number;
  #open = 0;
  #crc = 0;
  #hasHead = false;

  constructor(sequence: number) {
    this.#sequence = sequence;
  }

  /** @param tags gets the changes in the block. @returns false at the end */
  take(block: Buffer, tags: FastTag[]): boolean {
    for (let at = 0; at + TAG_BYTES <= block.length;) {
      const kind = block.readUInt16LE(at);
      const bytes = block.readUInt16LE(at + 2);
      const value = block.subarray(at + TAG_BYTES, at + TAG_BYTES + bytes);
      if (!isPossible(kind, bytes) || value.length < bytes) return false;
      if (kind === TAG.TAIL) return this.#takeTail(block.subarray(at, at + TAG_BYTES + 4), value);
      if (!this.#takeTag(kind, value, tags)) return false;
      this.#crc = crcOf(this.#crc, block.subarray(at, at + TAG_BYTES + bytes));
      at += TAG_BYTES + bytes;
    }
    return true;
  }

  #takeTag(kind: number, value: Buffer, tags: FastTag[]): boolean {
    if (kind === TAG.HEAD) {
      // Features of fast commits: there are none yet.
      if (value.readUInt32LE(0) !== 0 || value.readUInt32LE(4) !== this.#sequence) return false;
      this.#hasHead = true;
    } else if (kind !== TAG.PAD) {
      this.#open++;
      tags.push({ kind, value });
    }
    return this.#hasHead;
  }

  /** The tail carries the sequence, and the checksum of everything up to itself. */
  #takeTail(summed: Buffer, value: Buffer): boolean {
    const isRight = value.readUInt32LE(0) === this.#sequence && value.readUInt32LE(4) === crcOf(this.#crc, summed);
    if (!isRight || !this.#hasHead) return false;
    this.whole += this.#open;
    this.#open = 0;
    this.#crc = 0;
    return true;
  }
}

/** As ext4_fc_value_len_isvalid() has it. */
function isPossible(kind: number, bytes: number): boolean {
  if (kind === TAG.ADD_RANGE) return bytes === 16;
  if (kind === TAG.DEL_RANGE) return bytes === 12;
  if (kind === TAG.CREAT || kind === TAG.LINK || kind === TAG.UNLINK) return bytes > 8 && bytes <= 8 + 255;
  if (kind === TAG.INODE) return bytes >= 4 + 128;
  if (kind === TAG.TAIL) return bytes >= 8;
  return kind === TAG.PAD || (kind === TAG.HEAD && bytes === 8);
}
