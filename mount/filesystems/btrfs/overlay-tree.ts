import type { UmbraError } from '../../../src/common/errors.js';
import { compareKeys, type Key, keyAfter, keyBefore } from './key.js';
import { unreadable } from './numbers.js';
import type { Item, ItemTree } from './item-tree.js';

/** How much a replay may change: far more than a machine synchronises between two commits, which are seconds apart. */
const MAX_ENTRIES = 200_000;
const MAX_BYTES = 32 * 1024 * 1024;
/** How many items of logs and subvolumes a replay may look at: some for each change, and checksums that change nothing. */
const MAX_STEPS = 4_000_000;
/** What an entry takes besides its data. */
const ENTRY_BYTES = 150;

/** What the replay of all logs of a file system may take together: a log can be named by many subvolumes. */
export class ReplayLimits {
  #entries = 0;
  #bytes = 0;
  #steps = 0;

  /** What is kept in memory, about. */
  get memoryBytes(): number {
    return this.#bytes + this.#entries * ENTRY_BYTES;
  }

  /** @throws {UmbraError} FILESYSTEM_UNREADABLE when there is too much */
  keep(entries: number, bytes: number): void {
    this.#entries += entries;
    this.#bytes += bytes;
    if (this.#entries > MAX_ENTRIES || this.#bytes > MAX_BYTES) throw tooLong();
  }

  /** @throws {UmbraError} FILESYSTEM_UNREADABLE when too much was looked at */
  step(items = 1): void {
    this.#steps += items;
    if (this.#steps > MAX_STEPS) throw tooLong();
  }
}

/** The error for a log that takes more than this reader gives it. */
export function tooLong(): UmbraError {
  return unreadable('the log is too long to be replayed in memory', 'Mount the raw volume, and read it there.');
}

interface Change extends Key {
  /** Undefined for an item that was taken away. */
  readonly data: Buffer | undefined;
}

/** A tree with changes over it, which are kept in memory. */
export class OverlayTree implements ItemTree {
  readonly limits: ReplayLimits;
  readonly #base: ItemTree;
  /** In the order of their keys. */
  readonly #changes: Change[] = [];

  constructor(base: ItemTree, limits = new ReplayLimits()) {
    this.#base = base;
    this.limits = limits;
  }

  async find(key: Key): Promise<Item | undefined> {
    const change = this.#changes[this.#floorOf(key)];
    if (change === undefined || compareKeys(change, key) !== 0) return this.#base.find(key);
    return itemOf(change);
  }

  async floor(key: Key): Promise<Item | undefined> {
    let base = await this.#base.floor(key);
    while (base !== undefined && this.#has(base)) base = await this.#base.floor(keyBefore(base));
    let at = this.#floorOf(key);
    while (at >= 0 && this.#changes[at]?.data === undefined) at--;
    const change = this.#changes[at];
    const changed = change === undefined ? undefined : itemOf(change);
    if (base === undefined || changed === undefined) return base ?? changed;
    return compareKeys(base, changed) > 0 ? base : changed;
  }

  async *batches(from: Key, to: Key): AsyncGenerator<readonly Item[]> {
    let start = from;
    for await (const batch of this.#base.batches(from, to)) {
      const last = batch.at(-1);
      if (last === undefined) continue;
      const kept = batch.filter((item) => !this.#has(item));
      const merged = [...kept, ...this.#between(start, last)].sort(compareKeys);
      if (merged.length > 0) yield merged;
      start = keyAfter(last);
    }
    const rest = this.#between(start, to);
    if (rest.length > 0) yield rest;
  }

  /** Put an item in the place of what has its key. */
  set(key: Key, data: Buffer): void {
    this.#change(key, data);
  }

  /** Take an item away. */
  delete(key: Key): void {
    this.#change(key, undefined);
  }

  #change({ objectId, type, offset }: Key, data: Buffer | undefined): void {
    const change = { objectId, type, offset, data };
    const at = this.#floorOf(change);
    const known = this.#changes[at];
    const bytes = data?.length ?? 0;
    if (known !== undefined && compareKeys(known, change) === 0) {
      this.limits.keep(0, bytes - (known.data?.length ?? 0));
      this.#changes[at] = change;
    } else {
      this.limits.keep(1, bytes);
      this.#changes.splice(at + 1, 0, change);
    }
  }

  #has(key: Key): boolean {
    const change = this.#changes[this.#floorOf(key)];
    return change !== undefined && compareKeys(change, key) === 0;
  }

  #between(from: Key, to: Key): Item[] {
    const items: Item[] = [];
    for (let at = this.#floorOf(keyBefore(from)) + 1; at < this.#changes.length; at++) {
      const change = this.#changes[at];
      if (change === undefined || compareKeys(change, to) > 0) break;
      const item = itemOf(change);
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  /** The index of the last change at or before a key; -1 if there is none. */
  #floorOf(key: Key): number {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const change = this.#changes[middle];
      if (change !== undefined && compareKeys(change, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function itemOf({ objectId, type, offset, data }: Change): Item | undefined {
  return data === undefined ? undefined : { objectId, type, offset, data };
}
