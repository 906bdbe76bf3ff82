/** Entries that are kept together; when there are more, they are parted. */
const MOST_TOGETHER = 256;

interface Block<V> {
  /** When it was made, in snapshots: one that was made before the last of them is not changed any more. */
  readonly age: number;
  readonly keys: string[];
  readonly values: V[];
}

/** Keys from `gte` or after `gt`, up to `lte` or before `lt`. */
export interface Between {
  readonly gte?: string | undefined;
  readonly gt?: string | undefined;
  readonly lte?: string | undefined;
  readonly lt?: string | undefined;
}

/**
 * Entries in the order of their keys, as strings are compared. However many there are, looking one up, changing one and beginning to go
 * through a range cost little: blocks of them are shared with whoever goes through them until they are changed.
 */
export class OrderedEntries<V extends object> {
  /** None of them is empty; the list itself is never changed. */
  #blocks: readonly Block<V>[] = [];
  #age = 0;

  get(key: string): V | undefined {
    const block = this.#blocks[this.#blockOf(key)];
    const index = block === undefined ? 0 : firstNotBefore(block.keys, key);
    return block?.keys[index] === key ? block.values[index] : undefined;
  }

  /** @returns what was there before */
  set(key: string, value: V): V | undefined {
    const at = this.#blockOf(key);
    const block = this.#changeable(at);
    const { keys, values } = block;
    const index = firstNotBefore(keys, key);
    if (keys[index] === key) return values.splice(index, 1, value)[0];
    keys.splice(index, 0, key);
    values.splice(index, 0, value);
    if (keys.length > MOST_TOGETHER) {
      const middle = keys.length >> 1;
      const behind = { age: block.age, keys: keys.splice(middle), values: values.splice(middle) };
      this.#blocks = this.#blocks.toSpliced(at + 1, 0, behind);
    }
    return undefined;
  }

  /** @returns what was there before */
  delete(key: string): V | undefined {
    if (this.get(key) === undefined) return undefined;
    const at = this.#blockOf(key);
    const { keys, values } = this.#changeable(at);
    const index = firstNotBefore(keys, key);
    keys.splice(index, 1);
    const [before] = values.splice(index, 1);
    if (keys.length === 0) this.#blocks = this.#blocks.toSpliced(at, 1);
    return before;
  }

  /** Those of a range as they are now, whatever is changed meanwhile. */
  between(range: Between = {}, isReverse = false): Iterable<readonly [key: string, value: V]> {
    this.#age += 1;
    const blocks = this.#blocks;
    return isReverse ? backwards(blocks, range) : forwards(blocks, range);
  }

  #blockOf(key: string): number {
    return Math.max(0, lastBeginning(this.#blocks, key));
  }

  /** A block that nobody goes through. */
  #changeable(at: number): Block<V> {
    const block = this.#blocks[at];
    if (block?.age === this.#age) return block;
    const copy = { age: this.#age, keys: block?.keys.slice() ?? [], values: block?.values.slice() ?? [] };
    this.#blocks = this.#blocks.toSpliced(at, 1, copy);
    return copy;
  }
}

function* forwards<V>(blocks: readonly Block<V>[], range: Between): Iterable<readonly [string, V]> {
  const { gte, gt, lte, lt } = range;
  const lowest = gte !== undefined && gt !== undefined && gt > gte ? gt : (gte ?? gt);
  const first = lowest === undefined ? 0 : Math.max(0, lastBeginning(blocks, lowest));
  let index = lowest === undefined ? 0 : firstNotBefore(blocks[first]?.keys ?? [], lowest);
  for (let at = first; at < blocks.length; at += 1, index = 0) {
    const { keys, values } = blocks[at] ?? { keys: [], values: [] };
    for (; index < keys.length; index += 1) {
      const key = keys[index];
      const value = values[index];
      if (key === undefined || value === undefined) return;
      if ((lt !== undefined && key >= lt) || (lte !== undefined && key > lte)) return;
      if (gt === undefined || key > gt) yield [key, value];
    }
  }
}

function* backwards<V>(blocks: readonly Block<V>[], range: Between): Iterable<readonly [string, V]> {
  const { gte, gt, lte, lt } = range;
  const highest = lte !== undefined && lt !== undefined && lt < lte ? lt : (lte ?? lt);
  const last = highest === undefined ? blocks.length - 1 : lastBeginning(blocks, highest);
  for (let at = last; at >= 0; at -= 1) {
    const { keys, values } = blocks[at] ?? { keys: [], values: [] };
    const most = at === last && highest !== undefined ? firstNotBefore(keys, highest) : keys.length - 1;
    for (let index = Math.min(most, keys.length - 1); index >= 0; index -= 1) {
      const key = keys[index];
      const value = values[index];
      if (key === undefined || value === undefined) return;
      if ((gt !== undefined && key <= gt) || (gte !== undefined && key < gte)) return;
      if ((lt === undefined || key < lt) && (lte === undefined || key <= lte)) yield [key, value];
    }
  }
}

/** The last block that begins with this key or one before it; -1 if there is none. */
function lastBeginning(blocks: readonly Block<unknown>[], key: string): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((blocks[middle]?.keys[0] ?? '') <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Where the first key stands that is this one or behind it. */
function firstNotBefore(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
