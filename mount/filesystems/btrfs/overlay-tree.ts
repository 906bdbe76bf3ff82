import type { UmbraError } from '../../../src/common/errors.js';
import { compareKeys, type Key, keyAfter, keyBefore } from './key.js';
import { unreadable } from './numbers.js';
import type { Item, ItemTree } from './item-tree.js';
import { type Change, SortedChanges } from './sorted-changes.js';

/** How much a replay may change: far more than a machine synchronises between two commits, which are seconds apart. */
const MAX_ENTRIES = 200_000;
const MAX_BYTES = 32 * 1024 * 1024;
/**
 * How many items, entries and names of logs and subvolumes a replay may look at: some for each change, and checksums that
 * change nothing.
 */
const MAX_STEPS = 4_000_000;
/** What an entry takes besides its data. */
const ENTRY_BYTES = 150;

/** What the replay of all logs of a file system may take together: a log can be named by many subvolumes. */
export class ReplayLimits {
  #entries = 0;
  #bytes = 0;
  #steps = 0;
  #isOver = false;

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
    if (this.#steps > MAX_STEPS && !this.#isOver) throw tooLong();
  }

  /** The replay is over: what is read of the trees from now on has no limit. */
  end(): void {
    this.#isOver = true;
  }
}

/** The error for a log that takes more than this reader gives it. */
export function tooLong(): UmbraError {
  return unreadable('the log is too long to be replayed in memory', 'Mount the raw volume, and read it there.');
}

/** A tree with changes over it, which are kept in memory. */
export class OverlayTree implements ItemTree {
  readonly limits: ReplayLimits;
  readonly #base: ItemTree;
  readonly #changes = new SortedChanges();

  constructor(base: ItemTree, limits = new ReplayLimits()) {
    this.#base = base;
    this.limits = limits;
  }

  async find(key: Key): Promise<Item | undefined> {
    const change = this.#changes.find(key);
    return change === undefined ? this.#base.find(key) : itemOf(change);
  }

  async floor(key: Key): Promise<Item | undefined> {
    let base = await this.#base.floor(key);
    let change = this.#changes.floor(key);
    while (change !== undefined) {
      this.limits.step();
      const order = base === undefined ? 1 : compareKeys(change, base);
      if (order < 0) return base;
      if (change.data !== undefined) return itemOf(change);
      const before = keyBefore(change);
      if (order === 0) base = await this.#base.floor(before);
      change = this.#changes.floor(before);
    }
    return base;
  }

  async *batches(from: Key, to: Key): AsyncGenerator<readonly Item[]> {
    let start: Key | undefined = from;
    for await (const batch of this.#base.batches(from, to)) {
      const last = batch.at(-1);
      if (last === undefined || start === undefined) continue;
      const changes = this.#changes.between(start, last);
      // What was taken away counts too: it is gone through each time.
      this.limits.step(batch.length + changes.length);
      const merged = merge(batch, changes);
      if (merged.length > 0) yield merged;
      start = compareKeys(last, to) < 0 ? keyAfter(last) : undefined;
    }
    const rest = start === undefined ? [] : this.#changes.between(start, to);
    this.limits.step(rest.length);
    const items = merge([], rest);
    if (items.length > 0) yield items;
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
    const known = this.#changes.put({ objectId, type, offset, data });
    this.limits.keep(known === undefined ? 1 : 0, (data?.length ?? 0) - (known?.data?.length ?? 0));
  }
}

/** The items of a batch with the changes up to its last one; both are sorted. */
function merge(batch: readonly Item[], changes: readonly Change[]): Item[] {
  const items: Item[] = [];
  let at = 0;
  for (const change of changes) {
    for (let item = batch[at]; item !== undefined && compareKeys(item, change) < 0; item = batch[++at])
      items.push(item);
    const replaced = batch[at];
    if (replaced !== undefined && compareKeys(replaced, change) === 0) at++;
    const item = itemOf(change);
    if (item !== undefined) items.push(item);
  }
  items.push(...batch.slice(at));
  return items;
}

function itemOf({ objectId, type, offset, data }: Change): Item | undefined {
  return data === undefined ? undefined : { objectId, type, offset, data };
}
