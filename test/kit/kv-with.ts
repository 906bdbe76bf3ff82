import type { KvStore } from '../../src/store/kv.js';

/** A key-value store of which some operations are others. */
export function kvWith(kv: KvStore, others: Partial<KvStore>): KvStore {
  return {
    get: (key) => kv.get(key),
    getMany: (keys) => kv.getMany(keys),
    entries: (range) => kv.entries(range),
    keys: (range) => kv.keys(range),
    write: (operations, options) => kv.write(operations, options),
    flush: () => kv.flush(),
    compact: (start, end) => kv.compact(start, end),
    diskBytes: () => kv.diskBytes(),
    close: () => kv.close(),
    ...others,
  };
}
