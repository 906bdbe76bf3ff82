import type { Item, ItemTree } from './item-tree.js';
import { compareStored, type Key, keyBytes, readKey, SearchKey } from './key.js';
import { KEY_BYTES } from './layout.js';
import { itemData, keyAt, nodeCount, nodeLevel } from './node.js';
import type { NodeStore } from './node-store.js';
import { damaged, u64 } from './numbers.js';
import type { TreeRoot } from './superblock.js';

/** A tree as it stands on the disk. */
export class Tree implements ItemTree {
  readonly root: TreeRoot;
  readonly #nodes: NodeStore;

  constructor(nodes: NodeStore, root: TreeRoot) {
    this.#nodes = nodes;
    this.root = root;
  }

  async find(key: Key): Promise<Item | undefined> {
    const search = new SearchKey(key);
    const leaf = await this.#leaf(search);
    const slot = leaf === undefined ? -1 : floorSlot(leaf, search);
    if (leaf === undefined || slot < 0 || search.compareWith(leaf, keyAt(leaf, slot)) !== 0) return undefined;
    return { ...key, data: itemData(leaf, slot) };
  }

  async floor(key: Key): Promise<Item | undefined> {
    const search = new SearchKey(key);
    const leaf = await this.#leaf(search);
    if (leaf === undefined) return undefined;
    const slot = floorSlot(leaf, search);
    return slot < 0 ? undefined : itemOf(leaf, slot);
  }

  async *batches(from: Key, to: Key): AsyncGenerator<readonly Item[]> {
    const start = new SearchKey(from);
    const end = new SearchKey(to);
    const path = await this.#path(start);
    for (let leaf = path.leaf; leaf !== undefined; leaf = await path.next()) {
      const batch: Item[] = [];
      const count = nodeCount(leaf);
      let slot = path.leaf === leaf ? path.slot : 0;
      for (; slot < count && end.compareWith(leaf, keyAt(leaf, slot)) <= 0; slot++) batch.push(itemOf(leaf, slot));
      if (batch.length > 0) yield batch;
      if (slot < count) return;
    }
  }

  /** The leaf in which the last item at or before a key stands; undefined if there is none. */
  async #leaf(key: SearchKey): Promise<Buffer | undefined> {
    const { recentLeaves } = this.#nodes;
    const recent = recentLeaves.find(this.root.logical, key);
    if (recent !== undefined) return recent;
    let node = await this.#nodes.node(this.root);
    while (nodeLevel(node) > 0) {
      const slot = floorSlot(node, key);
      if (slot < 0) return undefined;
      const child = this.#nodes.node(childOf(node, slot));
      const next = child instanceof Promise ? await child : child;
      checkFirstKey(node, slot, next);
      node = next;
    }
    recentLeaves.add(this.root.logical, node);
    return node;
  }

  async #path(key: SearchKey): Promise<Path> {
    const path = new Path(this.#nodes, await this.#nodes.node(this.root));
    await path.seek(key);
    return path;
  }
}

/** A way from the root to a leaf that can move on to the next leaf. */
class Path {
  readonly #nodes: NodeStore;
  readonly #steps: { node: Buffer; slot: number }[];
  #last: Buffer | undefined;

  constructor(nodes: NodeStore, root: Buffer) {
    this.#nodes = nodes;
    this.#steps = [{ node: root, slot: 0 }];
  }

  get leaf(): Buffer | undefined {
    return this.#steps.at(-1)?.node;
  }

  get slot(): number {
    return this.#steps.at(-1)?.slot ?? 0;
  }

  /** Go to the first item at or after a key: it may be just behind the leaf's last. */
  async seek(key: SearchKey): Promise<void> {
    for (let step = this.#steps.at(-1); step !== undefined && nodeLevel(step.node) > 0; step = this.#steps.at(-1)) {
      step.slot = Math.max(0, floorSlot(step.node, key));
      await this.#descend(step.node, step.slot);
    }
    const step = this.#steps.at(-1);
    if (step === undefined) return;
    const slot = floorSlot(step.node, key);
    step.slot = slot >= 0 && key.compareWith(step.node, keyAt(step.node, slot)) === 0 ? slot : slot + 1;
  }

  /**
   * Go to the next leaf. Its keys must come after those before: no leaf comes twice, so the walk ends.
   * @returns undefined behind the last
   */
  async next(): Promise<Buffer | undefined> {
    const leaf = this.#steps.pop()?.node;
    if (leaf !== undefined && nodeCount(leaf) > 0) this.#last = keyBytes(leaf, keyAt(leaf, nodeCount(leaf) - 1));
    let step = this.#steps.at(-1);
    while (step !== undefined && step.slot + 1 >= nodeCount(step.node)) {
      this.#steps.pop();
      step = this.#steps.at(-1);
    }
    if (step === undefined) return undefined;
    step.slot++;
    await this.#descend(step.node, step.slot);
    for (let top = this.#steps.at(-1); top !== undefined && nodeLevel(top.node) > 0; top = this.#steps.at(-1)) {
      await this.#descend(top.node, 0);
    }
    const found = this.leaf;
    if (found !== undefined && this.#last !== undefined && nodeCount(found) > 0) {
      if (compareStored(this.#last, 0, found, keyAt(found, 0)) >= 0)
        throw damaged('the leaves of a tree are out of order');
    }
    return found;
  }

  async #descend(node: Buffer, slot: number): Promise<void> {
    const child = this.#nodes.node(childOf(node, slot));
    const next = child instanceof Promise ? await child : child;
    checkFirstKey(node, slot, next);
    this.#steps.push({ node: next, slot: 0 });
  }
}

/** The last slot whose key is at or before one; -1 if the first one comes after it. */
function floorSlot(node: Buffer, key: SearchKey): number {
  let low = 0;
  let high = nodeCount(node);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (key.compareWith(node, keyAt(node, middle)) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function childOf(node: Buffer, slot: number): TreeRoot {
  const at = keyAt(node, slot) + KEY_BYTES;
  return { logical: u64(node, at), generation: u64(node, at + 8), level: nodeLevel(node) - 1 };
}

/** A node's first key is the one that its parent has for it, so that a search never goes wrong. */
function checkFirstKey(parent: Buffer, slot: number, child: Buffer): void {
  if (nodeCount(child) === 0 || compareStored(parent, keyAt(parent, slot), child, keyAt(child, 0)) !== 0) {
    throw damaged('a tree block does not begin with the key that its parent has for it');
  }
}

function itemOf(leaf: Buffer, slot: number): Item {
  return { ...readKey(leaf, keyAt(leaf, slot)), data: itemData(leaf, slot) };
}
