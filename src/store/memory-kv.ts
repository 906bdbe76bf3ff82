import { UmbraError } from '../common/errors.js';
import type { KvOperation, KvRange, KvStore } from './kv.js';
import { compareKeys, inRange } from './kv-range.js';

type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** A store in memory, with the semantics of the one on disk; `sync` means nothing here. */
export function openMemoryKv(entries: Iterable<Entry> = []): KvStore {
  return new MemoryKv(entries);
}

class MemoryKv implements KvStore {
  // By key in latin1, which orders and distinguishes strings as their bytes.
  #values = new Map<string, Uint8Array>();
  /** The keys of `#values` in order; undefined when a key came or went since it was made. */
  #sorted: string[] | undefined;
  #closed = false;

  constructor(entries: Iterable<Entry>) {
    for (const [key, value] of entries) this.#values.set(text(key), Buffer.from(value));
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#answer(() => this.#copy(text(key)));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#answer(() => keys.map((key) => this.#copy(text(key))));
  }

  async *entries(range: KvRange = {}): AsyncIterable<Entry> {
    for (const [key, value] of await this.#answer(() => this.#select(range))) {
      this.#checkOpen();
      yield [key, Buffer.from(value)];
    }
  }

  async *keys(range: KvRange = {}): AsyncIterable<Uint8Array> {
    for (const [key] of await this.#answer(() => this.#select(range))) {
      this.#checkOpen();
      yield key;
    }
  }

  write(operations: readonly KvOperation[], _options: { readonly sync: boolean }): Promise<void> {
    return this.#answer(() => {
      for (const operation of operations) this.#apply(operation);
    });
  }

  flush(): Promise<void> {
    return this.#answer(() => undefined);
  }

  compact(_start: Uint8Array, _end: Uint8Array): Promise<void> {
    return this.#answer(() => undefined);
  }

  diskBytes(): Promise<number> {
    return this.#answer(() => {
      let bytes = 0;
      for (const [key, value] of this.#values) bytes += key.length + value.length;
      return bytes;
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #apply(operation: KvOperation): void {
    const key = text(operation.key);
    if (operation.type === 'put') {
      if (!this.#values.has(key)) this.#sorted = undefined;
      // Values are replaced, never changed, so that running iterations keep what they began with.
      this.#values.set(key, Buffer.from(operation.value));
    } else if (this.#values.delete(key)) {
      this.#sorted = undefined;
    }
  }

  #copy(key: string): Uint8Array | undefined {
    const value = this.#values.get(key);
    return value && Buffer.from(value);
  }

  #select(range: KvRange): Entry[] {
    this.#sorted ??= [...this.#values.keys()].sort();
    const found: Entry[] = [];
    const { limit = Infinity, reverse = false } = range;
    const keys = reverse ? this.#sorted.toReversed() : this.#sorted;
    for (const name of keys.slice(firstIndex(keys, range, reverse))) {
      const key = Buffer.from(name, 'latin1');
      const value = this.#values.get(name);
      if (found.length >= limit || value === undefined || !inRange(key, range)) break;
      found.push([key, value]);
    }
    return found;
  }

  async #answer<T>(work: () => T): Promise<T> {
    this.#checkOpen();
    const result = work();
    // As on disk, nothing is there at once.
    await Promise.resolve();
    return result;
  }

  #checkOpen(): void {
    if (this.#closed) throw new UmbraError('STORE_FAILED', 'the store in memory is closed');
  }
}

/** Where in `keys` (in the direction of iteration) the range begins, by bisection. */
function firstIndex(keys: readonly string[], range: KvRange, reverse: boolean): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(Buffer.from(keys[middle] ?? '', 'latin1'), range, reverse)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** True if iteration has not come to the range yet at `key`. */
function isBefore(key: Uint8Array, range: KvRange, reverse: boolean): boolean {
  if (reverse) {
    if (range.lte !== undefined && compareKeys(key, range.lte) > 0) return true;
    return range.lt !== undefined && compareKeys(key, range.lt) >= 0;
  }
  if (range.gte !== undefined && compareKeys(key, range.gte) < 0) return true;
  return range.gt !== undefined && compareKeys(key, range.gt) <= 0;
}

function text(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
