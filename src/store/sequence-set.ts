const PAGE_BITS = 1 << 15;
const WORD_BITS = 32;

/** A set of sequence numbers, one bit each in pages of 4 KiB that are made when needed. */
export class SequenceSet {
  readonly #pages = new Map<number, Uint32Array>();

  has(sequence: number): boolean {
    const page = this.#pages.get(Math.floor(sequence / PAGE_BITS));
    const bit = sequence % PAGE_BITS;
    return page !== undefined && ((page[bit >>> 5] ?? 0) & (1 << (bit % WORD_BITS))) !== 0;
  }

  /** @returns true if it was not in the set before */
  add(sequence: number): boolean {
    const index = Math.floor(sequence / PAGE_BITS);
    let page = this.#pages.get(index);
    if (page === undefined) this.#pages.set(index, (page = new Uint32Array(PAGE_BITS / WORD_BITS)));
    const bit = sequence % PAGE_BITS;
    const word = page[bit >>> 5] ?? 0;
    const mask = 1 << (bit % WORD_BITS);
    if ((word & mask) !== 0) return false;
    page[bit >>> 5] = word | mask;
    return true;
  }

  addAll(other: SequenceSet): void {
    for (const [index, words] of other.#pages) {
      const page = this.#pages.get(index);
      if (page === undefined) this.#pages.set(index, words.slice());
      else for (let word = 0; word < words.length; word++) page[word] = (page[word] ?? 0) | (words[word] ?? 0);
    }
  }
}
