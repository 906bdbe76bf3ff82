import type { KvStore } from '../../src/store/kv.js';
import { kvWith } from './kv-with.js';

/** What was asked of a key-value store. */
export interface KvCounts {
  /** Questions, whatever for: calls of get and getMany, and iterations. */
  calls: number;
  /** Keys that were looked up. */
  lookUps: number;
  /** Entries and keys that iterations gave. */
  iterated: number;
}

export interface CountingKv {
  readonly kv: KvStore;
  /** What was asked since this was asked last. */
  readonly take: () => KvCounts;
}

/** Counts what is read of `kv`: what does not depend on how fast a machine is. */
export function countingKv(kv: KvStore): CountingKv {
  let counts: KvCounts = { calls: 0, lookUps: 0, iterated: 0 };
  async function* counted<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    counts.calls++;
    for await (const item of items) {
      counts.iterated++;
      yield item;
    }
  }
  return {
    kv: kvWith(kv, {
      get: (key) => {
        counts.calls++;
        counts.lookUps++;
        return kv.get(key);
      },
      getMany: (keys) => {
        counts.calls++;
        counts.lookUps += keys.length;
        return kv.getMany(keys);
      },
      entries: (range) => counted(kv.entries(range)),
      keys: (range) => counted(kv.keys(range)),
    }),
    take: () => {
      const taken = counts;
      counts = { calls: 0, lookUps: 0, iterated: 0 };
      return taken;
    },
  };
}
