import { REGION_BYTES } from '../codec/formats.js';
import { toHex } from '../codec/digest.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import { unpackRegion } from './chunk-batch.js';
import type { ChunkRef } from './node.js';

interface Entry {
  readonly memory: SharedArrayBuffer;
  /** The decoded region; undefined if some chunk of it is damaged. */
  readonly ready: Promise<Buffer | undefined>;
  /** What `ready` gives, once it has. */
  region: Buffer | undefined;
  /** Who decodes into the memory or waits to copy from it; without any it may be used again. */
  users: number;
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

  constructor(options: {
    readonly reader: () => ObjectReader;
    readonly pool: () => WorkerPool;
    readonly maxBytes: number;
  }) {
    this.#reader = options.reader;
    this.#pool = options.pool;
    this.#most = Math.max(4, Math.floor(options.maxBytes / REGION_BYTES));
  }

  /**
   * Copy from the region that `leaf` describes, if it is in the cache or on its way.
   * @param from where in the region, bytes
   * @returns false if it is not there, or damaged somewhere
   */
  async copyInto(target: Uint8Array, leaf: Uint8Array, from: number): Promise<boolean> {
    const key = toHex(leaf);
    const entry = this.#use(key);
    if (entry === undefined) return false;
    entry.users++;
    try {
      const region = await entry.ready;
      if (region !== undefined) target.set(region.subarray(from, from + target.length));
      return region !== undefined;
    } finally {
      entry.users--;
    }
  }

  /** Like {@link copyInto}, if the region is there already. @returns false if it is not */
  copyNow(target: Uint8Array, leaf: Uint8Array, from: number): boolean {
    const region = this.#use(toHex(leaf))?.region;
    if (region === undefined) return false;
    target.set(region.subarray(from, from + target.length));
    return true;
  }

  /** An entry, which was used last now. */
  #use(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** Begin to decode a region, unless it is there or all memory is being decoded into. */
  fetch(leaf: Uint8Array, chunks: readonly ChunkRef[]): void {
    const key = toHex(leaf);
    if (this.#entries.has(key)) return;
    const memory = this.#takeMemory();
    if (memory === undefined) return;
    const entry: Entry = { memory, ready: this.#decode(chunks, memory), region: undefined, users: 1 };
    this.#entries.set(key, entry);
    void entry.ready.then((region) => {
      entry.users--;
      entry.region = region;
      if (region === undefined && this.#entries.get(key) === entry) this.#drop(key, entry);
    });
  }

  async #decode(chunks: readonly ChunkRef[], memory: SharedArrayBuffer): Promise<Buffer | undefined> {
    try {
      await unpackRegion(this.#reader(), this.#pool(), chunks, { region: memory });
      return Buffer.from(memory);
    } catch {
      // Who wants the damaged chunk reads it by itself, and gets the error; the others need not. So it is with a worker
      // that failed: decoding ahead is nobody's request, and nobody would catch its error.
      return undefined;
    }
  }

  #takeMemory(): SharedArrayBuffer | undefined {
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    if (this.#entries.size < this.#most) return new SharedArrayBuffer(REGION_BYTES);
    for (const [key, entry] of this.#entries) {
      if (entry.users > 0) continue;
      this.#entries.delete(key);
      return entry.memory;
    }
    return undefined;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    // Who still waits for a damaged region copies nothing from it.
    this.#spare.push(entry.memory);
  }
}
