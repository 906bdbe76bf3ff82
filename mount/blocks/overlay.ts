import { type ByteSource, lengthWithin, type Location } from './byte-source.js';

/**
 * A source with some of its blocks replaced, as a replayed journal leaves it. Nothing is written anywhere: the blocks
 * are kept in memory, or say where in the source they stand.
 */
export class OverlaySource implements ByteSource {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly #source: ByteSource;
  readonly #blocks: ReadonlyMap<number, Uint8Array>;
  /** The numbers of the blocks in order, once they are needed. */
  #order: Float64Array | undefined;

  /** @param blocks by the number of the block they replace, each of `blockBytes` bytes; not changed any more */
  constructor(source: ByteSource, blockBytes: number, blocks: ReadonlyMap<number, Uint8Array>) {
    this.sizeBytes = source.sizeBytes;
    this.blockBytes = blockBytes;
    this.#source = source;
    this.#blocks = blocks;
  }

  /** How many blocks are replaced. */
  get size(): number {
    return this.#blocks.size;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    if (length === 0) return 0;
    const part = length === target.length ? target : target.subarray(0, length);
    const read = this.#source.read(part, offset);
    if (typeof read === 'number') return this.#cover(part, offset, read);
    return read.then((count) => this.#cover(part, offset, count));
  }

  locate(offset: number, length: number): readonly Location[] {
    const parts: Location[] = [];
    for (let at = offset; at < offset + length;) {
      const block = Math.floor(at / this.blockBytes);
      const patched = this.#blocks.has(block);
      const next = patched ? this.#endOfRun(block) : this.#nextPatched(block);
      const end = Math.min(offset + length, next * this.blockBytes);
      if (patched) parts.push({ length: end - at, offset: 0 });
      else parts.push(...this.#source.locate(at, end - at));
      at = end;
    }
    return parts;
  }

  #endOfRun(block: number): number {
    let end = block + 1;
    while (this.#blocks.has(end)) end++;
    return end;
  }

  /** The first replaced block after `block`: a stretch of a file can be gigabytes, and none of its blocks replaced. */
  #nextPatched(block: number): number {
    const order = (this.#order ??= Float64Array.from(this.#blocks.keys()).sort());
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((order[middle] ?? 0) <= block) low = middle + 1;
      else high = middle;
    }
    return order[low] ?? Infinity;
  }

  #cover(target: Uint8Array, offset: number, length: number): number {
    if (this.#blocks.size === 0) return length;
    const last = Math.floor((offset + length - 1) / this.blockBytes);
    for (let block = Math.floor(offset / this.blockBytes); block <= last; block++) {
      const bytes = this.#blocks.get(block);
      if (bytes === undefined) continue;
      const start = block * this.blockBytes;
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + bytes.length);
      if (to > from) target.set(bytes.subarray(from - start, to - start), from - offset);
    }
    return length;
  }
}
