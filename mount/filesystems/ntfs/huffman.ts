import { damaged } from './parse.js';

const MAX_BITS = 16;

/** How many of an entry's bits are the code's length; above them is the symbol. */
export const LENGTH_BITS = 5;

/** A table to decode a canonical Huffman code by, looked up with the next bits of the input. */
export class HuffmanTable {
  /** By the next `bits` bits: `symbol << LENGTH_BITS | length`; 0 where no symbol is. */
  readonly entries = new Uint16Array(2 ** MAX_BITS);
  #bits = 1;
  readonly #counts = new Uint16Array(MAX_BITS + 1);

  /** How many bits the longest code has. */
  get bits(): number {
    return this.#bits;
  }

  /**
   * Make the table of the code with these lengths (0: the symbol is not used), shorter codes first, and among those of one
   * length the lower symbols.
   * @param lengths of at most 511 symbols, none longer than 16
   * @throws {UmbraError} FILESYSTEM_DAMAGED for too many codes; too few are no damage until one of the missing comes
   */
  build(lengths: Uint8Array): void {
    this.#count(lengths);
    const { entries } = this;
    const next = new Uint32Array(MAX_BITS + 1);
    let end = 0;
    for (let length = 1; length <= this.#bits; length++) {
      next[length] = end;
      end += (this.#counts[length] ?? 0) << (this.#bits - length);
    }
    if (end > 1 << this.#bits) throw damaged('a code of compressed data makes no sense');
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      const length = lengths[symbol] ?? 0;
      if (length === 0) continue;
      const start = next[length] ?? 0;
      next[length] = start + (1 << (this.#bits - length));
      entries.fill((symbol << LENGTH_BITS) | length, start, next[length]);
    }
    entries.fill(0, end, 1 << this.#bits);
  }

  #count(lengths: Uint8Array): void {
    this.#counts.fill(0);
    this.#bits = 1;
    for (const length of lengths) {
      this.#counts[length] = (this.#counts[length] ?? 0) + 1;
      if (length > this.#bits) this.#bits = length;
    }
  }
}
