import { randomBytes } from 'node:crypto';
import { KeyedHash } from './keyed-hash.js';

/** Paths stand one behind the other in pages of this size, each with its length before it. */
const PAGE_BYTES = 1024 * 1024;
const LENGTH_BYTES = 4;
const FIRST_SLOTS = 1024;
const KEY_BYTES = 8;
/** What is kept of a path in arrays: its hash and its place. */
const COLUMN_BYTES = 16;
/** UTF-8 takes no more for a unit of UTF-16. */
const MAX_UNIT_BYTES = 3;

/**
 * Numbers paths from 0 on. Millions of strings in a Map take three times the memory, and the collector's time; here a
 * path takes its bytes and 28 more. Guests choose the paths, so they are hashed with a secret key: nobody can make all
 * of them fall into one slot.
 */
export class PathTable {
  readonly #pages: Buffer[] = [];
  /** In bytes from the first page's beginning. */
  readonly #places: number[] = [];
  readonly #hashes: number[] = [];
  /** Number of a path and 1; 0 for a free slot. */
  #slots = new Uint32Array(FIRST_SLOTS);
  #end = 0;
  readonly #hash = new KeyedHash(randomBytes(KEY_BYTES));
  /** The path that is looked for. */
  #scratch = Buffer.alloc(1024);

  /** How many paths there are. */
  get size(): number {
    return this.#places.length;
  }

  /** Memory that it takes, about. */
  get bytes(): number {
    return this.#end + this.#slots.byteLength + this.#places.length * COLUMN_BYTES;
  }

  /** The number of a path; undefined if it has none. */
  find(path: string): number | undefined {
    const length = this.#encode(path);
    return this.#search(length, this.#hash.of(this.#scratch, length)).index;
  }

  /** The number of a path, a new one if it has none. */
  add(path: string): number {
    const length = this.#encode(path);
    const hash = this.#hash.of(this.#scratch, length);
    const { index, slot } = this.#search(length, hash);
    if (index !== undefined) return index;
    const added = this.#places.length;
    this.#places.push(this.#store(length));
    this.#hashes.push(hash);
    this.#slots[slot] = added + 1;
    if (this.#places.length * 2 > this.#slots.length) this.#grow();
    return added;
  }

  /** The path of that number. */
  path(index: number): string {
    const { page, start, length } = this.#placeOf(index);
    return page.toString('utf8', start, start + length);
  }

  /** The order of two paths by their bytes, for sorting their numbers. */
  compare(index: number, other: number): number {
    const [a, b] = [this.#placeOf(index), this.#placeOf(other)];
    return a.page.compare(b.page, b.start, b.start + b.length, a.start, a.start + a.length);
  }

  /** Write a path to the scratch. @returns how many bytes it has */
  #encode(path: string): number {
    const most = path.length * MAX_UNIT_BYTES;
    if (most > this.#scratch.length) this.#scratch = Buffer.alloc(2 * most);
    return this.#scratch.write(path);
  }

  /** The number of the path in the scratch, or the slot that is free for it. */
  #search(length: number, hash: number): { readonly index: number | undefined; readonly slot: number } {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const index = (this.#slots[slot] ?? 0) - 1;
      if (index < 0) return { index: undefined, slot };
      if (this.#hashes[index] === hash && this.#isScratch(index, length)) return { index, slot };
    }
  }

  #isScratch(index: number, length: number): boolean {
    const { page, start, length: stored } = this.#placeOf(index);
    return stored === length && page.compare(this.#scratch, 0, length, start, start + stored) === 0;
  }

  #placeOf(index: number): { readonly page: Buffer; readonly start: number; readonly length: number } {
    const place = this.#places[index] ?? 0;
    const page = this.#pages[Math.floor(place / PAGE_BYTES)] ?? Buffer.alloc(LENGTH_BYTES);
    const start = place % PAGE_BYTES;
    return { page, start: start + LENGTH_BYTES, length: page.readUInt32LE(start) };
  }

  /** Keep the path in the scratch. @returns its place */
  #store(length: number): number {
    const needed = LENGTH_BYTES + length;
    if (this.#end + needed > this.#pages.length * PAGE_BYTES) {
      this.#end = this.#pages.length * PAGE_BYTES;
      // A path of more than a page, which no file system has, gets one that is as long.
      this.#pages.push(Buffer.allocUnsafeSlow(Math.max(PAGE_BYTES, needed)));
    }
    const place = this.#end;
    const page = this.#pages.at(-1) ?? this.#scratch;
    page.writeUInt32LE(length, place % PAGE_BYTES);
    this.#scratch.copy(page, (place % PAGE_BYTES) + LENGTH_BYTES, 0, length);
    this.#end += needed;
    return place;
  }

  #grow(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    this.#hashes.forEach((hash, index) => {
      let slot = hash & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    });
    this.#slots = slots;
  }
}
