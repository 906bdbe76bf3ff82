/**
 * The seam between Umbra and its key-value store, as a ladder: who holds a `KvReader` can neither
 * write nor delete, who holds a `KvWriter` can't compact or close.
 *
 * Keys and values are bytes; keys are ordered bytewise.
 */

/** Keys from `gte` or after `gt`, up to `lte` or before `lt`; all of them when empty. */
export interface KvRange {
  readonly gte?: Uint8Array;
  readonly gt?: Uint8Array;
  readonly lte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly reverse?: boolean;
  /** At most so many entries; unlimited without it. */
  readonly limit?: number;
}

export type KvOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

export interface KvReader {
  /**
   * The value of `key`, or undefined when there is none. A disk fault is never "undefined".
   * @throws {UmbraError} STORE_FAILED, STORE_DAMAGED
   */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** As {@link get}, for many keys at once, in their order. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /**
   * The entries of a range, in order, as of the moment when iteration begins. One that outlives a
   * recovery from a full disk goes on at its next key, with what is there by then. A fault is
   * certain to be thrown only if iteration goes on to the end of its range or its limit.
   * @throws {UmbraError} STORE_FAILED, STORE_DAMAGED
   */
  entries(range?: KvRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>;
  /** As {@link entries}, without reading values into memory. */
  keys(range?: KvRange): AsyncIterable<Uint8Array>;
}

export interface KvWriter extends KvReader {
  /**
   * Apply all operations, atomically; don't change their buffers meanwhile. With `sync`, the batch is durable when the promise resolves;
   * it says nothing about batches before it (LevelDB closes a full log without syncing it): those without it are durable
   * after the next {@link flush}.
   * A batch whose write failed may turn out to be there after all when the store is opened again.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED
   */
  write(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void>;
  /**
   * All that was written before is durable when this resolves.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED; what was written without `sync` since the last flush may be lost then
   */
  flush(): Promise<void>;
}

/** Files of one directory. */
export interface KvTables {
  readonly directory: string;
  readonly names: readonly string[];
  /** Between which keys, both included, those of a table are, where that is known. */
  readonly ranges: ReadonlyMap<string, { readonly first: Buffer; readonly last: Buffer }>;
}

export interface KvStore extends KvWriter {
  /**
   * Give back the space of deleted keys between `start` and `end`, both included.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED
   */
  compact(start: Uint8Array, end: Uint8Array): Promise<void>;
  /** Bytes on disk, about. */
  diskBytes(): Promise<number>;
  /** The table files that hold what is stored; absent if it does not lie in such. @throws {UmbraError} STORE_FAILED */
  tables?(): Promise<KvTables>;
  /** Idempotent; everything else fails afterwards with STORE_FAILED. */
  close(): Promise<void>;
}
