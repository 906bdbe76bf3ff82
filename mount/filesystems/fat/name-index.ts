/** More slots than that no directory has: 256 MiB of them, exFAT's limit. */
export const MAX_SLOTS = 2 ** 23;

/** Hashes and slots share one number of 53 bits. */
const HASH_BITS = 30;

/** Finds the entries of a directory that may have a name, in eight bytes for each. */
export class NameIndex {
  readonly #keys: Float64Array;

  constructor(keys: Float64Array) {
    this.#keys = keys;
  }

  get byteLength(): number {
    return this.#keys.byteLength;
  }

  /** The slots of the entries whose names have the hash of `folded`, in their order; few of them have another name. */
  slots(folded: string): number[] {
    const hash = nameHash(folded);
    const slots: number[] = [];
    for (let index = this.#firstFrom(hash * MAX_SLOTS); index < this.#keys.length; index++) {
      const key = this.#keys[index] ?? 0;
      if (key >= (hash + 1) * MAX_SLOTS) break;
      slots.push(key % MAX_SLOTS);
    }
    return slots;
  }

  #firstFrom(key: number): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] ?? 0) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Collects the names of a directory. */
export class NameIndexBuilder {
  #keys = new Float64Array(64);
  #count = 0;

  /** @param slot below {@link MAX_SLOTS} */
  add(folded: string, slot: number): void {
    if (this.#count === this.#keys.length) {
      const keys = new Float64Array(this.#count * 2);
      keys.set(this.#keys);
      this.#keys = keys;
    }
    this.#keys[this.#count++] = nameHash(folded) * MAX_SLOTS + slot;
  }

  build(): NameIndex {
    return new NameIndex(this.#keys.slice(0, this.#count).sort());
  }
}

/** FNV-1a over the code units. */
function nameHash(folded: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < folded.length; index++) hash = Math.imul(hash ^ folded.charCodeAt(index), 0x01000193);
  return hash >>> (32 - HASH_BITS);
}
