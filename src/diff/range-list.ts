import type { ByteRange } from '../protocol/api.js';

/** Ranges of bytes, added in order; those that touch are joined. */
export class RangeList {
  readonly #ranges: ByteRange[] = [];
  #bytes = 0;

  add(offset: number, length: number): void {
    if (length <= 0) return;
    this.#bytes += length;
    const last = this.#ranges.at(-1);
    if (last !== undefined && last.offset + last.length === offset) {
      this.#ranges[this.#ranges.length - 1] = { offset: last.offset, length: last.length + length };
    } else {
      this.#ranges.push({ offset, length });
    }
  }

  /** Sum of the lengths. */
  get bytes(): number {
    return this.#bytes;
  }

  get ranges(): readonly ByteRange[] {
    return this.#ranges;
  }
}
