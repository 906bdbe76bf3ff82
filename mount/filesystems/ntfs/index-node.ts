import { applyFixups } from './fixups.js';
import { damaged, readSize } from './parse.js';

const HEADER_BYTES = 16;
const ENTRY_BYTES = 16;
const HAS_CHILD = 0x01;
const LAST = 0x02;
/** Of a block, before its header. */
const BLOCK_HEADER_OFFSET = 24;

/**
 * A node of an index (B+tree): the root, which stands in a file's record, or a block. Its entries are found once, and
 * read from its bytes when they are asked for.
 */
export class IndexNode {
  readonly bytes: Buffer;
  /** Where the entries begin; the last has no key, but may have a child. */
  readonly #offsets: readonly number[];

  /**
   * @param bytes from the index header on
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#offsets = findEntries(bytes);
  }

  /** How many keys there are. */
  get keys(): number {
    return this.#offsets.length - 1;
  }

  /** Where entry `index` begins; `keys` is the last, without a key. */
  entryAt(index: number): number {
    return this.#offsets[index] ?? 0;
  }

  /** Where the key of entry `index` begins. */
  keyAt(index: number): number {
    return this.entryAt(index) + ENTRY_BYTES;
  }

  keyLength(index: number): number {
    return this.bytes.readUInt16LE(this.entryAt(index) + 10);
  }

  /** The block (by its number of units) with what comes before entry `index`; undefined in a leaf. */
  child(index: number): number | undefined {
    const at = this.entryAt(index);
    if ((this.bytes.readUInt16LE(at + 12) & HAS_CHILD) === 0) return undefined;
    return readSize(this.bytes, at + this.bytes.readUInt16LE(at + 8) - 8);
  }
}

/**
 * The node in a block of an index.
 * @param bytes of the block as they stand on the volume; changed
 * @param vcn the number that the block must have
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseIndexBlock(bytes: Buffer, vcn: number): IndexNode {
  if (bytes.toString('latin1', 0, 4) !== 'INDX') throw damaged(`index block ${vcn} is none`);
  if (!applyFixups(bytes)) throw damaged(`index block ${vcn} was written only in part`);
  if (bytes.readBigUInt64LE(16) !== BigInt(vcn)) throw damaged(`index block ${vcn} is another one`);
  return new IndexNode(bytes.subarray(BLOCK_HEADER_OFFSET));
}

function findEntries(bytes: Buffer): number[] {
  if (bytes.length < HEADER_BYTES) throw damaged('an index node is cut off');
  const end = bytes.readUInt32LE(4);
  if (end > bytes.length) throw damaged('an index node is cut off');
  const offsets: number[] = [];
  for (let at = bytes.readUInt32LE(0); at >= HEADER_BYTES && at + ENTRY_BYTES <= end;) {
    const length = bytes.readUInt16LE(at + 8);
    const flags = bytes.readUInt16LE(at + 12);
    const last = (flags & LAST) !== 0;
    const keyLength = last ? 0 : bytes.readUInt16LE(at + 10);
    const least = ENTRY_BYTES + keyLength + ((flags & HAS_CHILD) !== 0 ? 8 : 0);
    if (length < least || length % 8 !== 0 || at + length > end) throw damaged('an index entry makes no sense');
    offsets.push(at);
    if (last) return offsets;
    at += length;
  }
  throw damaged('an index node has no end');
}
