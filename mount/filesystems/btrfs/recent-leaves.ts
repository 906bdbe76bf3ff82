import type { SearchKey } from './key.js';
import { keyAt, nodeCount } from './node.js';

const MAX_LEAVES = 6;

/**
 * The leaves that were last searched. Files that are looked at one after another mostly stand in the same ones: a key
 * between a leaf's first and last has its place in that leaf, and no way from the root is needed.
 */
export class RecentLeaves {
  readonly #leaves: { root: number; leaf: Buffer }[] = [];
  #next = 0;

  /** The leaf of the tree with that root (by its address) in which the key's place is. */
  find(root: number, key: SearchKey): Buffer | undefined {
    for (const recent of this.#leaves) {
      if (recent.root !== root) continue;
      const { leaf } = recent;
      const isIn =
        key.compareWith(leaf, keyAt(leaf, 0)) <= 0 && key.compareWith(leaf, keyAt(leaf, nodeCount(leaf) - 1)) >= 0;
      if (isIn) return leaf;
    }
    return undefined;
  }

  add(root: number, leaf: Buffer): void {
    if (nodeCount(leaf) === 0) return;
    this.#leaves[this.#next] = { root, leaf };
    this.#next = (this.#next + 1) % MAX_LEAVES;
  }
}
