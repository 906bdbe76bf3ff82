import { isUmbraError } from '../../../src/common/errors.js';
import { type MetadataReader, UNIT_BYTES } from '../../blocks/block-cache.js';

/** The first number of a cluster. */
export const FIRST_CLUSTER = 2;

/** What stands after a cluster instead of another one: the chain's end, or something that makes no sense there. */
export const CHAIN_END = -1;
export const CHAIN_BROKEN = -2;

/** How a file allocation table is laid out: FAT specification, section 4; exFAT specification, section 4. */
export interface ClusterTableLayout {
  readonly entryBits: 12 | 16 | 32;
  /** Bits of an entry that count: FAT32 has 28. */
  readonly mask: number;
  /** The least value that ends a chain. */
  readonly endFrom: number;
  /** Where the copies stand, the most trusted first. */
  readonly copies: readonly number[];
  /** Clusters in all, the first of them having the number 2. */
  readonly clusters: number;
}

/** A file allocation table: which cluster of a file follows which. */
export class ClusterTable {
  readonly clusters: number;
  readonly #reader: MetadataReader;
  readonly #layout: ClusterTableLayout;
  /** The piece of the table that was used last, and the offset of its first byte in the table. */
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  constructor(reader: MetadataReader, layout: ClusterTableLayout) {
    this.#reader = reader;
    this.#layout = layout;
    this.clusters = layout.clusters;
  }

  /** True if there is a cluster of that number. */
  has(cluster: number): boolean {
    return cluster >= FIRST_CLUSTER && cluster < this.clusters + FIRST_CLUSTER;
  }

  /**
   * The cluster after `cluster`, {@link CHAIN_END} or {@link CHAIN_BROKEN}; at once if that part of the table is at hand.
   * Where the first copy cannot be read or makes no sense, the next one is asked.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when the table ends before it, STORE_DAMAGED
   */
  next(cluster: number): number | Promise<number> {
    const value = this.#value(cluster, this.#window, this.#windowStart);
    if (value === undefined) return this.#load(cluster);
    const next = this.#meaning(value);
    return next === CHAIN_BROKEN && this.#layout.copies.length > 1 ? this.#ask(cluster, 1) : next;
  }

  /** The entry as it stands in the best copy that can be read: its bits that count. */
  async entry(cluster: number): Promise<number> {
    await this.#loadWindow(cluster);
    return this.#value(cluster, this.#window, this.#windowStart) ?? 0;
  }

  async #load(cluster: number): Promise<number> {
    await this.#loadWindow(cluster);
    return await this.next(cluster);
  }

  async #loadWindow(cluster: number): Promise<void> {
    const [start, length] = this.#windowOf(cluster);
    for (let copy = 0; ; copy++) {
      const base = this.#layout.copies[copy] ?? 0;
      // What stands in the cache's units is not copied for a window that keeps to them.
      const from = this.#layout.entryBits === 12 ? start : Math.max(0, start - ((base + start) % UNIT_BYTES));
      try {
        const window = await this.#reader.get(base + from, Math.min(length, this.#tableBytes() - from));
        this.#window = window;
        this.#windowStart = from;
        return;
      } catch (error) {
        if (copy + 1 >= this.#layout.copies.length || !isUmbraError(error)) throw error;
      }
    }
  }

  /** The part of the table to read for an entry: all of a FAT12. */
  #windowOf(cluster: number): readonly [start: number, length: number] {
    if (this.#layout.entryBits === 12) return [0, this.#tableBytes()];
    return [(cluster * this.#layout.entryBits) / 8, UNIT_BYTES];
  }

  #tableBytes(): number {
    return Math.ceil(((this.clusters + FIRST_CLUSTER) * this.#layout.entryBits) / 8);
  }

  /** Undefined if the entry is not in the window. */
  #value(cluster: number, window: Buffer, windowStart: number): number | undefined {
    const { entryBits, mask } = this.#layout;
    if (entryBits === 12) {
      const at = cluster + (cluster >> 1) - windowStart;
      if (at + 2 > window.length) return undefined;
      const pair = window.readUInt16LE(at);
      return cluster % 2 === 0 ? pair & 0xfff : pair >> 4;
    }
    const at = (cluster * entryBits) / 8 - windowStart;
    if (at < 0 || at + entryBits / 8 > window.length) return undefined;
    return entryBits === 16 ? window.readUInt16LE(at) : (window.readUInt32LE(at) & mask) >>> 0;
  }

  #meaning(value: number): number {
    if (this.has(value)) return value;
    return value >= this.#layout.endFrom ? CHAIN_END : CHAIN_BROKEN;
  }

  /** What a later copy says. */
  async #ask(cluster: number, copy: number): Promise<number> {
    const { entryBits, copies } = this.#layout;
    const start = Math.floor((cluster * entryBits) / 8);
    const bytes = await this.#reader.get((copies[copy] ?? 0) + start, entryBits === 32 ? 4 : 2);
    return this.#meaning(this.#value(cluster, bytes, start) ?? 0);
  }
}
