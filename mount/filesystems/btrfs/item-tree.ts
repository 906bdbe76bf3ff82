import type { Key } from './key.js';

/** An item of a tree; its content must not be changed. */
export interface Item extends Key {
  readonly data: Buffer;
}

/** Items in the order of their keys. */
export interface ItemTree {
  /** The item of exactly that key. */
  find(key: Key): Promise<Item | undefined>;
  /** The last item at or before a key. */
  floor(key: Key): Promise<Item | undefined>;
  /** All items from a key to another one (with both), in order, some at a time. */
  batches(from: Key, to: Key): AsyncIterable<readonly Item[]>;
}
