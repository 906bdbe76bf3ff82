import { damaged } from '../damaged.js';

/** So many different ones are kept, 12 bytes each. A log of 2 GiB has fewer. */
const MOST = 1_000_000;
/** So many cancellations are collected before they are sorted in among the others. */
const NEW = 65_536;
/** More blocks than a buffer has: what tells apart the keys of two blocks. */
const SPAN = 512;

/**
 * Buffers whose blocks were freed: what was logged of them before must not be replayed, since the blocks may be a
 * file's now. The first pass counts their cancellations, the second takes them off again.
 */
export class CancelledBuffers {
  /** Sorted; a key packs the block and the number of blocks. */
  #keys = new Float64Array(0);
  #counts = new Uint32Array(0);
  /** Not among the sorted ones yet. */
  readonly #new: Float64Array;
  #newLength = 0;
  readonly #most: number;

  constructor(most = MOST) {
    this.#most = most;
    this.#new = new Float64Array(Math.min(most, NEW));
  }

  /** How many different buffers are kept. */
  get size(): number {
    this.#sortIn();
    return this.#keys.length;
  }

  /**
   * @param blocks of 512 bytes
   * @throws {UmbraError} FILESYSTEM_DAMAGED when there are too many
   */
  add(block: number, blocks: number): void {
    const key = keyOf(block, blocks);
    if (key === undefined) return;
    if (this.#newLength === this.#new.length) this.#sortIn();
    this.#new[this.#newLength++] = key;
  }

  has(block: number, blocks: number): boolean {
    const at = this.#find(block, blocks);
    return (this.#counts[at] ?? 0) > 0;
  }

  take(block: number, blocks: number): void {
    const at = this.#find(block, blocks);
    const count = this.#counts[at] ?? 0;
    if (count > 0) this.#counts[at] = count - 1;
  }

  /** The place of a buffer; -1 if it was never cancelled. */
  #find(block: number, blocks: number): number {
    this.#sortIn();
    const key = keyOf(block, blocks) ?? -1;
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? 0) < key) low = middle + 1;
      else high = middle;
    }
    return this.#keys[low] === key ? low : -1;
  }

  #sortIn(): void {
    if (this.#newLength === 0) return;
    const added = this.#new.subarray(0, this.#newLength).sort();
    this.#newLength = 0;
    const [known, counts] = [this.#keys, this.#counts];
    const size = known.length + different(added, known);
    if (size > this.#most) throw damaged('the log cancels too many buffers');
    this.#keys = new Float64Array(size);
    this.#counts = new Uint32Array(this.#keys.length);
    let [at, old] = [-1, 0];
    for (const key of added) {
      while ((known[old] ?? Infinity) <= key) {
        this.#keys[++at] = known[old] ?? 0;
        this.#counts[at] = counts[old++] ?? 0;
      }
      if (this.#keys[at] !== key) this.#keys[++at] = key;
      this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    }
    this.#keys.set(known.subarray(old), at + 1);
    this.#counts.set(counts.subarray(old), at + 1);
  }
}

/** How many different keys `added` has that `known` has not; both are sorted. */
function different(added: Float64Array, known: Float64Array): number {
  let [count, old, last] = [0, 0, -1];
  for (const key of added) {
    while ((known[old] ?? Infinity) < key) old++;
    if (key !== last && known[old] !== key) count++;
    last = key;
  }
  return count;
}

/** Undefined for what no volume has: nothing that is replayed can be in it. */
function keyOf(block: number, blocks: number): number | undefined {
  const key = block * SPAN + blocks;
  return block >= 0 && blocks > 0 && blocks < SPAN && Number.isSafeInteger(key) ? key : undefined;
}
