import { UmbraError } from '../common/errors.js';
import type { KvOperation, KvRange, KvStore } from './kv.js';
import { OrderedEntries } from './ordered-entries.js';

type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** A store in memory, with the semantics of the one on disk; `sync` means nothing here. */
export function openMemoryKv(entries: Iterable<Entry> = []): KvStore {
  return new MemoryKv(entries);
}

/** An entry as it is kept: it is replaced, never changed. */
interface Kept {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

class MemoryKv implements KvStore {
  // By key in latin1, which orders and distinguishes strings as their bytes.
  readonly #entries = new OrderedEntries<Kept>();
  #bytes = 0;
  #closed = false;

  constructor(entries: Iterable<Entry>) {
    for (const [key, value] of entries) this.#apply({ type: 'put', key, value });
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#answer(() => this.#copy(key));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#answer(() => keys.map((key) => this.#copy(key)));
  }

  entries(range: KvRange = {}): AsyncIterable<Entry> {
    return this.#iterable(range, ({ key, value }) => [Buffer.from(key), Buffer.from(value)]);
  }

  keys(range: KvRange = {}): AsyncIterable<Uint8Array> {
    return this.#iterable(range, ({ key }) => Buffer.from(key));
  }

  /** An asynchronous generator takes several turns for each entry. */
  #iterable<T>(range: KvRange, show: (kept: Kept) => T): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () => {
        let entries: Iterator<Kept> | undefined;
        const next = (): IteratorResult<T, undefined> => {
          entries ??= this.#select(range)[Symbol.iterator]();
          const step = entries.next();
          return step.done === true ? { done: true, value: undefined } : { done: false, value: show(step.value) };
        };
        return { next: () => this.#answer(next) };
      },
    };
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
    return this.#answer(() => this.#bytes);
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #apply(operation: KvOperation): void {
    const name = text(operation.key);
    if (operation.type === 'put') {
      const kept = { key: Buffer.from(operation.key), value: Buffer.from(operation.value) };
      this.#bytes += bytesOf(kept) - bytesOf(this.#entries.set(name, kept));
    } else this.#bytes -= bytesOf(this.#entries.delete(name));
  }

  #copy(key: Uint8Array): Uint8Array | undefined {
    const kept = this.#entries.get(text(key));
    return kept && Buffer.from(kept.value);
  }

  /** What is there now, however long it takes to go through it. */
  #select({ gte, gt, lte, lt, limit = Infinity, reverse = false }: KvRange): Iterable<Kept> {
    const bound = (key: Uint8Array | undefined): string | undefined => key && text(key);
    const range = { gte: bound(gte), gt: bound(gt), lte: bound(lte), lt: bound(lt) };
    return first(limit, this.#entries.between(range, reverse));
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

function* first(most: number, entries: Iterable<readonly [string, Kept]>): Iterable<Kept> {
  let left = most;
  if (left <= 0) return;
  for (const [, kept] of entries) {
    yield kept;
    left -= 1;
    if (left <= 0) return;
  }
}

function bytesOf(kept: Kept | undefined): number {
  return kept === undefined ? 0 : kept.key.length + kept.value.length;
}

function text(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
