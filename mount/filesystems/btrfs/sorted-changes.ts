import { compareKeys, type Key } from './key.js';

/** An item that is put over a tree; undefined data for one that is taken away. */
export interface Change extends Key {
  readonly data: Buffer | undefined;
}

/** Runs are cut in two when they get longer: what one insertion moves. */
const MAX_RUN = 512;

/** Changes in the order of their keys, in runs: the cost of an insertion hardly grows with their number. */
export class SortedChanges {
  /** None of them is empty. */
  readonly #runs: Change[][] = [];

  /** The change of exactly that key. */
  find(key: Key): Change | undefined {
    const last = this.floor(key);
    return last !== undefined && compareKeys(last, key) === 0 ? last : undefined;
  }

  /** The last change at or before a key. */
  floor(key: Key): Change | undefined {
    const run = this.#runs[this.#runOf(key)];
    return run?.[lastNotAfter(run, key)];
  }

  /** The changes from a key to another one, with both. */
  between(from: Key, to: Key): Change[] {
    const found: Change[] = [];
    const first = Math.max(0, this.#runOf(from));
    for (let index = first; index < this.#runs.length; index++) {
      const run = this.#runs[index] ?? [];
      const start = index > first ? 0 : firstNotBefore(run, from);
      const end = lastNotAfter(run, to) + 1;
      found.push(...run.slice(start, Math.max(start, end)));
      if (end < run.length) break;
    }
    return found;
  }

  /** Put a change in. @returns the one of that key which it takes the place of */
  put(change: Change): Change | undefined {
    const index = Math.max(0, this.#runOf(change));
    const run = this.#runs[index];
    if (run === undefined) {
      this.#runs.push([change]);
      return undefined;
    }
    const at = lastNotAfter(run, change);
    const known = run[at];
    if (known !== undefined && compareKeys(known, change) === 0) {
      run[at] = change;
      return known;
    }
    run.splice(at + 1, 0, change);
    if (run.length > MAX_RUN) this.#runs.splice(index + 1, 0, run.splice(MAX_RUN / 2));
    return undefined;
  }

  /** The index of the run that a key belongs in; -1 if it comes before all. */
  #runOf(key: Key): number {
    return countWhile(this.#runs, ([first]) => first !== undefined && compareKeys(first, key) <= 0) - 1;
  }
}

/** The index of the last change at or before a key; -1 if there is none. */
function lastNotAfter(run: readonly Change[], key: Key): number {
  return countWhile(run, (change) => compareKeys(change, key) <= 0) - 1;
}

function firstNotBefore(run: readonly Change[], key: Key): number {
  return countWhile(run, (change) => compareKeys(change, key) < 0);
}

/** How many of the first values fulfil what no later one does. */
function countWhile<T>(values: readonly T[], isFirst: (value: T) => boolean): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = values[middle];
    if (value !== undefined && isFirst(value)) low = middle + 1;
    else high = middle;
  }
  return low;
}
