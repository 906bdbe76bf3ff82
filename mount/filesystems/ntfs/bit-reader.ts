import { type HuffmanTable, LENGTH_BITS } from './huffman.js';
import { damaged } from './parse.js';

/**
 * Bits of 16-bit words, the highest first, as XPRESS and LZX have them, with bytes between them: those stand where the
 * next word would. Behind the end are zeros; who reads far behind it gets an error.
 */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #bits = 0;
  #count = 0;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#at = offset;
  }

  /** Make sure of 16 bits. */
  fill(): void {
    if (this.#count >= 16) return;
    this.#bits = (this.#bits << 16) | this.#word();
    this.#count += 16;
  }

  /** The next bits, at most 16; {@link fill} goes before. */
  take(count: number): number {
    this.#count -= count;
    return (this.#bits >>> this.#count) & ((1 << count) - 1);
  }

  /** The next bits, at most 16. */
  bits(count: number): number {
    this.fill();
    return this.take(count);
  }

  /** The next symbol of a code. */
  symbol(table: HuffmanTable): number {
    this.fill();
    const { bits } = table;
    const entry = table.entries[(this.#bits >>> (this.#count - bits)) & ((1 << bits) - 1)] ?? 0;
    if (entry === 0) throw damaged('compressed data makes no sense');
    this.#count -= entry & ((1 << LENGTH_BITS) - 1);
    return entry >> LENGTH_BITS;
  }

  /** The next byte between the words. */
  byte(): number {
    if (this.#at >= this.#bytes.length) throw damaged('compressed data is cut off');
    return this.#bytes[this.#at++] ?? 0;
  }

  /** Bytes between the words, little-endian. */
  word16(): number {
    return this.byte() | (this.byte() << 8);
  }

  word32(): number {
    return this.word16() + this.word16() * 65_536;
  }

  /** Go on behind the word in which the next bit is: words that were taken in advance are given back. */
  align(): void {
    this.#at -= 2 * (Math.ceil(this.#count / 16) - 1);
    this.#bits = 0;
    this.#count = 0;
  }

  #word(): number {
    const at = this.#at;
    this.#at += 2;
    // An encoder may leave out what is not needed any more, but not more than a few words.
    if (at > this.#bytes.length + 4) throw damaged('compressed data is cut off');
    return (this.#bytes[at] ?? 0) | ((this.#bytes[at + 1] ?? 0) << 8);
  }
}
