import { damaged } from './damaged.js';
import type { ExtentMap, Piece } from './extent-map.js';
import { type Mapping, parseRecord, RECORD_BYTES } from './extent-record.js';

/**
 * Extents that stand one after another, in an inode or in a leaf of a tree: `count` of them from `at`.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when they are not in order
 */
export class ExtentList implements ExtentMap {
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #count: number;

  constructor(bytes: Buffer, at: number, count: number) {
    if (at + count * RECORD_BYTES > bytes.length) throw damaged('there are more extents than there is room for');
    this.#bytes = bytes;
    this.#at = at;
    this.#count = count;
    this.#checkOrder();
  }

  get count(): number {
    return this.#count;
  }

  record(index: number): Mapping {
    return parseRecord(this.#bytes, this.#at + index * RECORD_BYTES);
  }

  /** @param end where the hole after the last extent ends */
  find(block: number, end = Infinity): Piece {
    const index = this.#lastAtOrBefore(block);
    const before = index < 0 ? undefined : this.record(index);
    if (before !== undefined && block < before.start + before.count) return before;
    const next = index + 1 < this.#count ? this.record(index + 1).start : end;
    return { start: block, count: next - block };
  }

  #lastAtOrBefore(block: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.record(middle).start <= block) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #checkOrder(): void {
    let end = 0;
    for (let index = 0; index < this.#count; index++) {
      const { start, count } = this.record(index);
      if (start < end) throw damaged('extents overlap or are out of order');
      end = start + count;
    }
  }
}
