/** Directories with more names are not indexed: each look-up looks at all blocks. */
export const MAX_INDEXED_NAMES = 65_536;

/**
 * Which block of a directory may hold a name, by a hash of the name: eight bytes for each name, for directories that
 * bring no index of their own.
 */
export class NameIndex {
  readonly #hashes: Uint32Array;
  readonly #blocks: Uint32Array;

  /** @param pairs hash and block of each name */
  constructor(pairs: readonly (readonly [number, number])[]) {
    const sorted = [...pairs].sort(([a], [b]) => a - b);
    this.#hashes = Uint32Array.from(sorted, ([hash]) => hash);
    this.#blocks = Uint32Array.from(sorted, ([, block]) => block);
  }

  get names(): number {
    return this.#hashes.length;
  }

  /** The blocks that may hold a name of that key. */
  blocksOf(key: Buffer): Set<number> {
    const hash = hashOfKey(key);
    let at = this.#firstOf(hash);
    const blocks = new Set<number>();
    for (; this.#hashes[at] === hash; at++) blocks.add(this.#blocks[at] ?? 0);
    return blocks;
  }

  #firstOf(hash: number): number {
    let low = 0;
    let high = this.#hashes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#hashes[middle] ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** FNV-1a. */
export function hashOfKey(key: Buffer): number {
  let hash = 0x811c9dc5;
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
