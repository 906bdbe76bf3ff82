import { UmbraError } from '../../../src/common/errors.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import { ALLOCATION_CONTEXT, ALLOCATION_ZERO } from './constants.js';
import type { FlaggedRange } from './data-extents.js';
import type { NbdClient } from './nbd-client.js';

type KnownRange = ByteRange & { readonly isZero?: boolean };

/** What is asked at a time at least: changes that lie near each other need no question each. */
const WINDOW_BYTES = 64 * 1024 * 1024;

/** Says what reads as zeros, of ranges in order: neighbouring ones are asked for at once, since each question takes a round trip. */
export class AllocationWindow {
  readonly #data: NbdClient;
  /** What the server said, in order and without gaps, behind the ranges that were asked for. */
  #known: FlaggedRange[] = [];
  #end = 0;

  constructor(data: NbdClient) {
    this.#data = data;
  }

  /**
   * A range in parts, with what of it the server knows to read as zeros.
   * @throws {UmbraError} IMAGE_FAILED
   */
  async *of({ offset, length }: ByteRange): AsyncGenerator<KnownRange> {
    const end = offset + length;
    for (let at = offset; at < end;) {
      if (at >= this.#end) await this.#ask(at, end);
      const piece = this.#at(at);
      const stop = Math.min(end, piece.offset + piece.length);
      const range = { offset: at, length: stop - at };
      yield (piece.flags & ALLOCATION_ZERO) !== 0 ? { ...range, isZero: true } : range;
      at = stop;
    }
  }

  async #ask(offset: number, end: number): Promise<void> {
    const length = Math.min(Math.max(end - offset, WINDOW_BYTES), this.#data.info.sizeBytes - offset);
    let at = offset;
    this.#known = (await this.#data.status(ALLOCATION_CONTEXT, offset, length)).map((extent) => {
      const range = { offset: at, length: extent.length, flags: extent.flags };
      at += extent.length;
      return range;
    });
    this.#end = at;
  }

  #at(offset: number): FlaggedRange {
    const passed = this.#known.findIndex((range) => range.offset + range.length > offset);
    if (passed > 0) this.#known.splice(0, passed);
    const [range] = this.#known;
    if (range === undefined || passed < 0)
      throw new UmbraError('IMAGE_FAILED', `the server says nothing of byte ${offset}`);
    return range;
  }
}
