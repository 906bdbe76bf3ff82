import type { FaultOn, FaultQueue, KvCalls, KvMethod } from './faults.js';
import type { KvOperation, KvRange, KvStore } from './kv.js';

/** `inner`, but calls that meet a fault of `faults` fail, wait, or return damaged values. */
export function openFaultyKv(inner: KvStore, faults: FaultQueue): KvStore {
  return new FaultyKv(inner, faults);
}

class FaultyKv implements KvStore {
  readonly #inner: KvStore;
  readonly #faults: FaultQueue;

  constructor(inner: KvStore, faults: FaultQueue) {
    this.#inner = inner;
    this.#faults = faults;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const fault = await this.#meet('get', { key });
    return damaged(fault, key, await this.#inner.get(key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const fault = await this.#meet('getMany', { keys });
    const values = await this.#inner.getMany(keys);
    return keys.map((key, index) => damaged(fault, key, values[index]));
  }

  async *entries(range: KvRange = {}): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    const fault = this.#faults.take('entries', { range });
    await fault?.until;
    let left = fault?.partial ?? 0;
    for await (const [key, value] of this.#inner.entries(range)) {
      if (fault?.error && left-- === 0) throw fault.error;
      const seen = damaged(fault, key, value);
      if (seen !== undefined) yield [key, seen];
    }
    if (fault?.error) throw fault.error;
  }

  async *keys(range: KvRange = {}): AsyncIterable<Uint8Array> {
    const fault = this.#faults.take('keys', { range });
    await fault?.until;
    let left = fault?.partial ?? 0;
    for await (const key of this.#inner.keys(range)) {
      if (fault?.error && left-- === 0) throw fault.error;
      yield key;
    }
    if (fault?.error) throw fault.error;
  }

  async write(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    const fault = this.#faults.take('write', { operations, sync: options.sync });
    await fault?.until;
    if (fault?.error === undefined) return this.#inner.write(operations, options);
    // A whole batch may be there although its write failed; a part of one tears it.
    await this.#inner.write(operations.slice(0, fault.partial ?? 0), options);
    throw fault.error;
  }

  async flush(): Promise<void> {
    await this.#meet('flush', null);
    await this.#inner.flush();
  }

  async compact(start: Uint8Array, end: Uint8Array): Promise<void> {
    await this.#meet('compact', { start, end });
    await this.#inner.compact(start, end);
  }

  async diskBytes(): Promise<number> {
    await this.#meet('diskBytes', null);
    return this.#inner.diskBytes();
  }

  async close(): Promise<void> {
    await this.#meet('close', null);
    await this.#inner.close();
  }

  async #meet<M extends KvMethod>(on: M, call: KvCalls[M]): Promise<FaultOn<M> | undefined> {
    const fault = this.#faults.take(on, call);
    await fault?.until;
    if (fault?.error) throw fault.error;
    return fault;
  }
}

function damaged<M extends KvMethod>(
  fault: FaultOn<M> | undefined,
  key: Uint8Array,
  value: Uint8Array | undefined,
): Uint8Array | undefined {
  return fault?.corrupt && value ? fault.corrupt(value, key) : value;
}
