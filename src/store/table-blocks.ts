import { crc32c } from '@node-rs/crc32';

import { decompressSnappy } from './snappy.js';

/** Behind the contents of each block: the kind of compression, and a checksum of both. */
export const TRAILER_BYTES = 5;
export const FOOTER_BYTES = 48;

const MAGIC = 0xdb4775248b80fb57n;
const TAG_BYTES = 8;
const WORD_BYTES = 4;
/** Umbra's keys are shorter; without a bound, a damaged block could make keys that take quadratic time. */
const MOST_KEY_BYTES = 4096;

const UNCOMPRESSED = 0;
const SNAPPY = 1;

/** Where a block lies in its table, without its trailer. */
export interface BlockHandle {
  readonly offset: number;
  readonly bytes: number;
}

export interface TableFooter {
  readonly metaindex: BlockHandle;
  readonly index: BlockHandle;
}

/** An entry as it stands in a block; views into it, or made for this entry. */
export interface BlockEntry {
  /** Where the entry begins in the block. */
  readonly at: number;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly next: number;
  /** The key stands there whole, as it must at a restart point. */
  readonly isWhole: boolean;
}

/** Where the block behind this one begins. */
export function blockEnd({ offset, bytes }: BlockHandle): number {
  return offset + bytes + TRAILER_BYTES;
}

/** True if the checksum of a block, its trailer included, is right. */
export function isIntact(block: Buffer): boolean {
  return block.length >= TRAILER_BYTES && block.readUInt32LE(block.length - WORD_BYTES) === checksumOf(block);
}

/** A block of so many bytes, its trailer included, without entries: it has no restart points, and iterators pass it by. */
export function emptyBlock(bytes: number): Buffer {
  const block = Buffer.alloc(bytes);
  block.writeUInt32LE(checksumOf(block), bytes - WORD_BYTES);
  return block;
}

/** True for {@link emptyBlock}, if the checksum is right: LevelDB writes no block without restart points. */
export function isEmptyBlock(block: Buffer): boolean {
  const end = block.length - TRAILER_BYTES;
  return end >= WORD_BYTES && block[end] === UNCOMPRESSED && block.readUInt32LE(end - WORD_BYTES) === 0;
}

/** What LevelDB makes of a block with its trailer, whether its checksum is right or not; undefined if it can make nothing of it. */
export function contentsOf(block: Buffer): Buffer | undefined {
  const contents = block.subarray(0, -TRAILER_BYTES);
  const compression = block[block.length - TRAILER_BYTES];
  if (compression === UNCOMPRESSED) return contents;
  return compression === SNAPPY ? decompressSnappy(contents) : undefined;
}

/** The block as it was, if its checksum says that nothing but the kind of compression is damaged. */
export function withRightCompression(block: Buffer): Buffer | undefined {
  return [UNCOMPRESSED, SNAPPY]
    .map((compression) => {
      const candidate = Buffer.from(block);
      candidate[block.length - TRAILER_BYTES] = compression;
      return candidate;
    })
    .find(isIntact);
}

/**
 * Walk the entries of a block as LevelDB does, with the checks that it leaves out.
 * @param visit returns false to end the walk
 * @returns false if `visit` did, or if LevelDB could not walk the block from any of its restart points
 */
export function walkBlock(contents: Buffer, visit: (entry: BlockEntry) => boolean): boolean {
  const restarts = restartsOf(contents);
  if (restarts === undefined) return false;
  const end = contents.length - WORD_BYTES * (restarts.length + 1);
  let passed = 0;
  let key: Buffer = Buffer.alloc(0);
  for (let at = 0; at < end;) {
    const entry = readEntry(contents, at, end, key);
    if (entry === undefined) return false;
    if (at === restarts[passed]) {
      if (!entry.isWhole) return false;
      passed++;
    } else if (at === 0) return false;
    if (!visit(entry)) return false;
    ({ key, next: at } = entry);
  }
  // A block without entries has a restart point all the same.
  return passed === restarts.length || (end === 0 && restarts.length === 1 && restarts[0] === 0);
}

/** The entry at `at`, which ends at `end` or before; `previous` is the key before it. */
export function readEntry(bytes: Buffer, at: number, end: number, previous: Buffer): BlockEntry | undefined {
  const shared = readVarint(bytes, at, end);
  const added = readVarint(bytes, shared.next, end);
  const length = readVarint(bytes, added.next, end);
  if (!Number.isFinite(length.next) || shared.value > previous.length) return undefined;
  const keyEnd = length.next + added.value;
  const next = keyEnd + length.value;
  if (next > end || shared.value + added.value > MOST_KEY_BYTES) return undefined;
  const key = Buffer.concat([previous.subarray(0, shared.value), bytes.subarray(length.next, keyEnd)]);
  return { at, key, value: bytes.subarray(keyEnd, next), next, isWhole: shared.value === 0 };
}

/** True for a key as LevelDB makes them of ours: with a tag of sequence number and type behind. */
export function isInternalKey(key: Buffer): boolean {
  return key.length >= TAG_BYTES && (key[key.length - TAG_BYTES] ?? 0) <= 1;
}

/** The order of LevelDB's keys: ours ascending, and of one key the newest first. */
export function compareInternalKeys(one: Buffer, other: Buffer): number {
  const order = Buffer.compare(userKey(one), userKey(other));
  if (order !== 0) return order;
  const [tag, otherTag] = [one, other].map((key) => key.readBigUInt64LE(key.length - TAG_BYTES));
  return tag === otherTag ? 0 : (tag ?? 0n) > (otherTag ?? 0n) ? -1 : 1;
}

/** A key without LevelDB's tag. */
export function userKey(key: Buffer): Buffer {
  return key.subarray(0, -TAG_BYTES);
}

/** True if LevelDB's tag says that the key was deleted. */
export function isDeletion(key: Buffer): boolean {
  return key[key.length - TAG_BYTES] === 0;
}

/** A handle that must fill the bytes; undefined for anything else. */
export function readHandle(bytes: Buffer): BlockHandle | undefined {
  const { handle, next } = handleAt(bytes, 0);
  return next === bytes.length ? handle : undefined;
}

/**
 * The end of a table of `tableBytes` bytes.
 * @returns undefined without the magic number, which LevelDB does look at; `damaged` if what stands before it can't be
 */
export function readFooter(footer: Buffer, tableBytes: number): TableFooter | 'damaged' | undefined {
  if (footer.length < FOOTER_BYTES || footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) return undefined;
  const metaindex = handleAt(footer, 0);
  const index = handleAt(footer, metaindex.next);
  if (!Number.isFinite(index.next)) return 'damaged';
  const isPadded = footer.subarray(index.next, FOOTER_BYTES - 8).every((byte) => byte === 0);
  const isContiguous =
    blockEnd(metaindex.handle) === index.handle.offset && blockEnd(index.handle) === tableBytes - FOOTER_BYTES;
  return isPadded && isContiguous ? { metaindex: metaindex.handle, index: index.handle } : 'damaged';
}

/** Where entries begin whose keys stand there whole; undefined if there is no room for so many, none for a blanked block. */
function restartsOf(contents: Buffer): number[] | undefined {
  if (contents.length < WORD_BYTES) return undefined;
  const count = contents.readUInt32LE(contents.length - WORD_BYTES);
  const begin = contents.length - WORD_BYTES * (count + 1);
  if (begin < 0) return undefined;
  return Array.from({ length: count }, (_, index) => contents.readUInt32LE(begin + WORD_BYTES * index));
}

function handleAt(bytes: Buffer, at: number): { readonly handle: BlockHandle; readonly next: number } {
  const offset = readVarint(bytes, at, bytes.length);
  const size = readVarint(bytes, offset.next, bytes.length);
  return { handle: { offset: offset.value, bytes: size.value }, next: size.next };
}

/** Only as LevelDB writes it, without zeros at its end. `next` is NaN if there is none, and if `at` is. */
function readVarint(bytes: Buffer, at: number, end: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let next = at, factor = 1; next < end && factor <= 2 ** 42; next++, factor *= 128) {
    const byte = bytes[next] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte >= 0x80) continue;
    if (byte === 0 && next > at) break;
    return { value, next: next + 1 };
  }
  return { value: 0, next: Number.NaN };
}

/** As LevelDB stores it: turned and shifted, since checksums of checksums are weak. */
function checksumOf(block: Buffer): number {
  const crc = crc32c(block.subarray(0, -WORD_BYTES));
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
