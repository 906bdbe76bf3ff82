import { BitReader } from './bit-reader.js';
import { HuffmanTable } from './huffman.js';
import { damaged } from './parse.js';

const LITERALS = 256;
/** With a window of 32 KiB. */
const OFFSET_SLOTS = 30;
const LENGTH_HEADERS = 8;
const MAIN_SYMBOLS = LITERALS + OFFSET_SLOTS * LENGTH_HEADERS;
const LENGTH_SYMBOLS = 249;
const PRE_SYMBOLS = 20;
const ALIGNED_SYMBOLS = 8;
const MIN_MATCH = 2;
const DEFAULT_BLOCK_BYTES = 32_768;
const FIRST_ALIGNED_BITS = 3;

const BLOCK_VERBATIM = 1;
const BLOCK_ALIGNED = 2;
const BLOCK_STORED = 3;

/** Of the offsets of each slot: the first, and how many bits follow. The first three slots are the last three offsets. */
const EXTRA_BITS = Uint8Array.from({ length: OFFSET_SLOTS }, (_, slot) => (slot < 4 ? 0 : (slot >> 1) - 1));
const BASES = slotBases();

function slotBases(): Int32Array {
  const bases = new Int32Array(OFFSET_SLOTS);
  for (let slot = 1; slot < OFFSET_SLOTS; slot++) {
    bases[slot] = (bases[slot - 1] ?? 0) + 2 ** (EXTRA_BITS[slot - 1] ?? 0);
  }
  return bases;
}

// Chunks are decompressed one after the other, in one turn of the event loop each: they can share their tables.
const mainTable = new HuffmanTable();
const lengthTable = new HuffmanTable();
const alignedTable = new HuffmanTable();
const preTable = new HuffmanTable();

/** What blocks of a chunk hand on. */
interface ChunkState {
  readonly reader: BitReader;
  readonly target: Uint8Array;
  /** The last three offsets. */
  readonly recent: Int32Array;
  readonly mainLengths: Uint8Array;
  readonly lengthLengths: Uint8Array;
}

/**
 * Decompress one chunk of LZX with a window of 32 KiB, as Windows has it in WIM archives and in files ([MS-PATCH] 2, with
 * the block sizes of WIM): it must fill `target`.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function decompressLzx(input: Uint8Array, target: Uint8Array): void {
  const state: ChunkState = {
    reader: new BitReader(input),
    target,
    recent: Int32Array.of(1, 1, 1),
    mainLengths: new Uint8Array(MAIN_SYMBOLS),
    lengthLengths: new Uint8Array(LENGTH_SYMBOLS),
  };
  for (let done = 0; done < target.length;) {
    const type = state.reader.bits(3);
    const length = state.reader.bits(1) === 1 ? DEFAULT_BLOCK_BYTES : state.reader.bits(16);
    if (length === 0 || done + length > target.length) throw damaged('compressed data makes no sense');
    decompressBlock(state, type, done, done + length);
    done += length;
  }
  undoCallTranslation(target);
}

function decompressBlock(state: ChunkState, type: number, start: number, end: number): void {
  if (type === BLOCK_STORED) copyStored(state, start, end);
  else if (type === BLOCK_VERBATIM || type === BLOCK_ALIGNED) {
    readCodes(state, type === BLOCK_ALIGNED);
    decodeBlock(state, type === BLOCK_ALIGNED, start, end);
  } else throw damaged('compressed data makes no sense');
}

function copyStored({ reader, target, recent }: ChunkState, start: number, end: number): void {
  reader.align();
  for (let index = 0; index < recent.length; index++) recent[index] = reader.word32();
  for (let to = start; to < end; to++) target[to] = reader.byte();
  if ((end - start) % 2 === 1) reader.byte();
}

/** The codes of a block: those for main symbols and lengths as differences to the codes before. */
function readCodes({ reader, mainLengths, lengthLengths }: ChunkState, aligned: boolean): void {
  if (aligned) alignedTable.build(Uint8Array.from({ length: ALIGNED_SYMBOLS }, () => reader.bits(3)));
  readLengths(reader, mainLengths.subarray(0, LITERALS));
  readLengths(reader, mainLengths.subarray(LITERALS));
  mainTable.build(mainLengths);
  readLengths(reader, lengthLengths);
  lengthTable.build(lengthLengths);
}

function readLengths(reader: BitReader, lengths: Uint8Array): void {
  preTable.build(Uint8Array.from({ length: PRE_SYMBOLS }, () => reader.bits(4)));
  for (let at = 0; at < lengths.length;) {
    const symbol = reader.symbol(preTable);
    if (symbol < 17) {
      lengths[at] = changed(lengths[at] ?? 0, symbol);
      at += 1;
    } else at = repeatLength(reader, lengths, at, symbol);
  }
}

function repeatLength(reader: BitReader, lengths: Uint8Array, at: number, symbol: number): number {
  const count = symbol === 17 ? 4 + reader.bits(4) : symbol === 18 ? 20 + reader.bits(5) : 4 + reader.bits(1);
  const value = symbol === 19 ? sameLength(reader, lengths[at] ?? 0) : 0;
  const end = Math.min(lengths.length, at + count);
  lengths.fill(value, at, end);
  return end;
}

function sameLength(reader: BitReader, before: number): number {
  const symbol = reader.symbol(preTable);
  if (symbol >= 17) throw damaged('compressed data makes no sense');
  return changed(before, symbol);
}

function changed(before: number, difference: number): number {
  return (before - difference + 17) % 17;
}

function decodeBlock(state: ChunkState, aligned: boolean, start: number, end: number): void {
  const { reader, target } = state;
  for (let done = start; done < end;) {
    const symbol = reader.symbol(mainTable);
    if (symbol < LITERALS) target[done++] = symbol;
    else done = copyMatch(state, aligned, symbol - LITERALS, done, end);
  }
}

function copyMatch(state: ChunkState, aligned: boolean, symbol: number, done: number, blockEnd: number): number {
  const { reader, target } = state;
  const header = symbol % LENGTH_HEADERS;
  const extra = header === LENGTH_HEADERS - 1 ? reader.symbol(lengthTable) : 0;
  const offset = matchOffset(state, aligned, Math.floor(symbol / LENGTH_HEADERS));
  const end = done + header + extra + MIN_MATCH;
  if (offset < 1 || offset > done || end > blockEnd) throw damaged('compressed data makes no sense');
  for (let to = done; to < end; to++) target[to] = target[to - offset] ?? 0;
  return end;
}

function matchOffset({ reader, recent }: ChunkState, aligned: boolean, slot: number): number {
  if (slot < 3) {
    const offset = recent[slot] ?? 0;
    recent[slot] = recent[0] ?? 0;
    recent[0] = offset;
    return offset;
  }
  const extraBits = EXTRA_BITS[slot] ?? 0;
  let offset = (BASES[slot] ?? 0) - 2;
  if (aligned && extraBits >= FIRST_ALIGNED_BITS) {
    offset += reader.bits(extraBits - FIRST_ALIGNED_BITS) << FIRST_ALIGNED_BITS;
    offset += reader.symbol(alignedTable);
  } else offset += reader.bits(extraBits);
  recent[2] = recent[1] ?? 0;
  recent[1] = recent[0] ?? 0;
  recent[0] = offset;
  return offset;
}

const CALL = 0xe8;
const CALL_BYTES = 10;
/** Stands for the file's size, whatever that is. */
const TRANSLATION_BYTES = 12_000_000;

/** The targets of x86 calls were made absolute, which compresses better: make them relative again. */
function undoCallTranslation(target: Uint8Array): void {
  const bytes = Buffer.from(target.buffer, target.byteOffset, target.byteLength);
  const end = bytes.length - CALL_BYTES;
  for (let at = bytes.indexOf(CALL); at !== -1 && at < end; at = bytes.indexOf(CALL, at + 5)) {
    const absolute = bytes.readInt32LE(at + 1);
    if (absolute >= 0 && absolute < TRANSLATION_BYTES) bytes.writeInt32LE(absolute - at, at + 1);
    else if (absolute < 0 && absolute >= -at) bytes.writeInt32LE(absolute + TRANSLATION_BYTES, at + 1);
  }
}
