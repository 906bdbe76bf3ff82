import type { KvOperation, KvRange, KvStore } from '../../src/store/kv.js';
import type { Random } from './random.js';

/** `inner`, but every call takes a random number of turns of the event loop, so that tasks interleave in random ways. */
export function openJitteryKv(inner: KvStore, random: Random): KvStore {
  return new JitteryKv(inner, random);
}

class JitteryKv implements KvStore {
  readonly #inner: KvStore;
  readonly #random: Random;

  constructor(inner: KvStore, random: Random) {
    this.#inner = inner;
    this.#random = random;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.#pause();
    const value = await this.#inner.get(key);
    await this.#pause();
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    await this.#pause();
    const values = await this.#inner.getMany(keys);
    await this.#pause();
    return values;
  }

  async *entries(range?: KvRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    await this.#pause();
    for await (const entry of this.#inner.entries(range)) {
      if (this.#random.chance(0.1)) await this.#pause();
      yield entry;
    }
  }

  async *keys(range?: KvRange): AsyncIterable<Uint8Array> {
    await this.#pause();
    for await (const key of this.#inner.keys(range)) yield key;
  }

  async write(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    await this.#pause();
    await this.#inner.write(operations, options);
    await this.#pause();
  }

  async flush(): Promise<void> {
    await this.#pause();
    await this.#inner.flush();
    await this.#pause();
  }

  async compact(start: Uint8Array, end: Uint8Array): Promise<void> {
    await this.#pause();
    await this.#inner.compact(start, end);
  }

  diskBytes(): Promise<number> {
    return this.#inner.diskBytes();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #pause(): Promise<void> {
    if (this.#random.chance(0.5)) return;
    for (let turns = this.#random.below(4); turns > 0; turns--) await new Promise(setImmediate);
  }
}
