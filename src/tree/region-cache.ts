import { REGION_BYTES } from '../codec/formats.js';
import { toHex } from '../codec/digest.js';
import { isUmbraError } from '../common/errors.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import { unpackRegion } from './chunk-batch.js';
import type { ChunkRef } from './node.js';

interface Entry {
  readonly memory: SharedArrayBuffer;
  /** The decoded region; undefined if some chunk of it is damaged. */
  readonly ready: Promise<Buffer | undefined>;
  /** No longer being decoded: its memory may be used again. */
  idle: boolean;
}

/**
 * Whole decoded regions, by the digest of their leaf, so that versions and volumes with the same content share them.
 * Memory is a fixed number of regions, used again and again.
 */
export class RegionCache {
  readonly #reader: () => ObjectReader;
  readonly #pool: () => WorkerPool;
  readonly #most: number;
  readonly #entries = new Map<string, Entry>();
  readonly #spare: SharedArrayBuffer[] = [];

  constructor(options: { readonly reader: () => ObjectReader; readonly pool: () => WorkerPool; readonly maxBytes: number }) {
    this.#reader = options.reader;
    this.#pool = options.pool;
    this.#most = Math.max(4, Math.floor(options.maxBytes / REGION_BYTES));
  }

  /**
   * The region that `leaf` describes, if it is in the cache or on its way.
   * Copy what you need at once: the memory is used again later.
   */
  get(leaf: Uint8Array): Promise<Buffer | undefined> | undefined {
    const key = toHex(leaf);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.ready;
  }

  /** Begin to decode a region, unless it is there or all memory is being decoded into. */
  fetch(leaf: Uint8Array, chunks: readonly ChunkRef[]): void {
    const key = toHex(leaf);
    if (this.#entries.has(key)) return;
    const memory = this.#takeMemory();
    if (memory === undefined) return;
    const entry: Entry = { memory, ready: this.#decode(chunks, memory), idle: false };
    this.#entries.set(key, entry);
    void entry.ready.then((region) => {
      entry.idle = true;
      if (region === undefined && this.#entries.get(key) === entry) this.#drop(key, entry);
    });
  }

  async #decode(chunks: readonly ChunkRef[], memory: SharedArrayBuffer): Promise<Buffer | undefined> {
    try {
      await unpackRegion(this.#reader(), this.#pool(), chunks, memory);
      return Buffer.from(memory);
    } catch (error) {
      // Who wants the damaged chunk reads it by itself, and gets the error; the others need not.
      if (isUmbraError(error)) return undefined;
      throw error;
    }
  }

  #takeMemory(): SharedArrayBuffer | undefined {
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    if (this.#entries.size < this.#most) return new SharedArrayBuffer(REGION_BYTES);
    for (const [key, entry] of this.#entries) {
      if (!entry.idle) continue;
      this.#entries.delete(key);
      return entry.memory;
    }
    return undefined;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#spare.push(entry.memory);
  }
}
