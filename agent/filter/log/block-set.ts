import type { ByteRange } from '../../../src/protocol/api.js';

/** Bytes of a page; a page has eight times as many blocks. */
const PAGE_BYTES = 4096;
const PAGE_BLOCKS = PAGE_BYTES * 8;
/** 32 MiB of memory: 16 TiB of a file in blocks of 64 KiB. */
const MAX_PAGES = 8192;

/** Blocks beside each other: the first and how many. */
export type Run = readonly [first: number, count: number];

/** Which blocks of a file: one bit each, in pages, so that a few far apart cost little. */
export class BlockSet {
  readonly blockBytes: number;
  readonly #pages = new Map<number, Uint8Array>();
  #isFull = false;

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
  }

  /** True once it would need too much memory; from then on every block counts as in it. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get isEmpty(): boolean {
    return !this.#isFull && this.#pages.size === 0;
  }

  /** The blocks that a range of bytes touches. */
  run(offset: number, length: number): Run {
    return runOf(this.blockBytes, offset, length);
  }

  has(block: number): boolean {
    if (this.#isFull) return true;
    const page = this.#pages.get(Math.floor(block / PAGE_BLOCKS));
    const bit = block % PAGE_BLOCKS;
    return page !== undefined && ((page[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  hasAll([first, count]: Run): boolean {
    for (let block = first; block < first + count; block++) if (!this.has(block)) return false;
    return true;
  }

  hasAny([first, count]: Run): boolean {
    for (let block = first; block < first + count; block++) if (this.has(block)) return true;
    return false;
  }

  add([first, count]: Run): void {
    let block = first;
    const end = first + count;
    while (block < end && !this.#isFull) {
      const page = this.#page(Math.floor(block / PAGE_BLOCKS));
      const pageEnd = Math.min(end, (Math.floor(block / PAGE_BLOCKS) + 1) * PAGE_BLOCKS);
      if (page !== undefined) setBits(page, block % PAGE_BLOCKS, pageEnd - block);
      block = pageEnd;
    }
  }

  /** All of another set's, whose blocks may be of another size. */
  addAll(other: BlockSet): void {
    if (other.#isFull) this.#fill();
    if (other.blockBytes === this.blockBytes) {
      for (const [index, page] of other.#pages) this.#addPage(index, page);
      return;
    }
    for (const run of other.runs()) {
      this.add(this.run(run[0] * other.blockBytes, run[1] * other.blockBytes));
    }
  }

  #addPage(index: number, other: Uint8Array): void {
    const page = this.#isFull ? undefined : this.#page(index);
    if (page === undefined) return;
    for (let at = 0; at < PAGE_BYTES; at++) page[at] = (page[at] ?? 0) | (other[at] ?? 0);
  }

  /** In order, not touching. None when {@link isFull}. */
  *runs(): Generator<Run> {
    let start = -1;
    let end = -1;
    for (const [index, page] of [...this.#pages].sort(([a], [b]) => a - b)) {
      for (const block of blocksOf(page, index * PAGE_BLOCKS)) {
        if (block === end) {
          end++;
          continue;
        }
        if (start >= 0) yield [start, end - start];
        start = block;
        end = block + 1;
      }
    }
    if (start >= 0) yield [start, end - start];
  }

  /** As bytes of a file of `sizeBytes`, in order, not touching. */
  *ranges(sizeBytes: number): Generator<ByteRange> {
    if (this.#isFull && sizeBytes > 0) yield { offset: 0, length: sizeBytes };
    for (const [first, count] of this.runs()) {
      const offset = first * this.blockBytes;
      const length = Math.min(count * this.blockBytes, sizeBytes - offset);
      if (length > 0) yield { offset, length };
    }
  }

  #page(index: number): Uint8Array | undefined {
    const known = this.#pages.get(index);
    if (known !== undefined) return known;
    if (this.#pages.size >= MAX_PAGES) {
      this.#fill();
      return undefined;
    }
    const page = new Uint8Array(PAGE_BYTES);
    this.#pages.set(index, page);
    return page;
  }

  #fill(): void {
    this.#isFull = true;
    this.#pages.clear();
  }
}

/** The blocks of a size that a range of bytes touches. */
export function runOf(blockBytes: number, offset: number, length: number): Run {
  const first = Math.floor(offset / blockBytes);
  return [first, length <= 0 ? 0 : Math.floor((offset + length - 1) / blockBytes) - first + 1];
}

function setBits(page: Uint8Array, from: number, count: number): void {
  let bit = from;
  const end = from + count;
  while (bit < end) {
    if ((bit & 7) === 0 && end - bit >= 8) {
      const bytes = (end - bit) >>> 3;
      page.fill(0xff, bit >>> 3, (bit >>> 3) + bytes);
      bit += bytes * 8;
    } else {
      page[bit >>> 3] = (page[bit >>> 3] ?? 0) | (1 << (bit & 7));
      bit++;
    }
  }
}

function* blocksOf(page: Uint8Array, base: number): Generator<number> {
  for (const [index, byte] of page.entries()) {
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) yield base + index * 8 + bit;
  }
}
