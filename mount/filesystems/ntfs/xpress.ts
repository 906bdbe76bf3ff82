import { BitReader } from './bit-reader.js';
import { HuffmanTable } from './huffman.js';
import { damaged } from './parse.js';

const SYMBOLS = 512;
const LENGTHS_BYTES = SYMBOLS / 2;
const LITERALS = 256;
const MIN_MATCH = 3;

const table = new HuffmanTable();
const lengths = new Uint8Array(SYMBOLS);

/**
 * Decompress one block of LZ77 with Huffman codes ("XPRESS", [MS-XCA] 2.2): it must fill `target`.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function decompressXpress(input: Uint8Array, target: Uint8Array): void {
  if (input.length < LENGTHS_BYTES) throw damaged('compressed data is cut off');
  for (let index = 0; index < LENGTHS_BYTES; index++) {
    const byte = input[index] ?? 0;
    lengths[2 * index] = byte & 15;
    lengths[2 * index + 1] = byte >> 4;
  }
  table.build(lengths);
  const reader = new BitReader(input, LENGTHS_BYTES);
  for (let done = 0; done < target.length;) {
    const symbol = reader.symbol(table);
    if (symbol < LITERALS) target[done++] = symbol;
    else done = copyMatch(reader, target, done, symbol - LITERALS);
  }
}

function copyMatch(reader: BitReader, target: Uint8Array, done: number, symbol: number): number {
  // Bits are filled up before the bytes of a long length are taken: that is where those stand.
  reader.fill();
  const length = matchLength(reader, symbol & 15);
  const offsetBits = symbol >> 4;
  const offset = (1 << offsetBits) | reader.take(offsetBits);
  const end = done + length;
  if (offset > done || end > target.length) throw damaged('compressed data makes no sense');
  for (let to = done; to < end; to++) target[to] = target[to - offset] ?? 0;
  return end;
}

function matchLength(reader: BitReader, code: number): number {
  if (code < 15) return code + MIN_MATCH;
  const byte = reader.byte();
  if (byte < 255) return byte + 15 + MIN_MATCH;
  const word = reader.word16();
  return (word === 0 ? reader.word32() : word) + MIN_MATCH;
}
