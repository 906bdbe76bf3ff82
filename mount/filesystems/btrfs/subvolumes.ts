import { type DirEntry, parseDirItem } from './dir-item.js';
import { nameHash } from './checksum.js';
import { KeyType, ObjectId } from './layout.js';
import type { NodeStore } from './node-store.js';
import { damaged, u64 } from './numbers.js';
import type { TreeRoot } from './superblock.js';
import type { Item, ItemTree } from './item-tree.js';
import { Tree } from './tree.js';

/** A root item without what newer kernels added to it. */
const ROOT_ITEM_BYTES = 239;
const ROOT_REF_BYTES = 18;
/** The directory in the tree of roots that names the default subvolume. */
const ROOT_DIRECTORY = 6;
/** How many trees are kept open. */
const MAX_TREES = 256;

/** The trees of a file system, by the tree of roots. */
export class Subvolumes {
  readonly #roots: ItemTree;
  readonly #nodes: NodeStore;
  readonly #trees = new Map<number, Promise<ItemTree>>();
  /** Trees that a replayed log changed. */
  readonly #replayed: ReadonlyMap<number, ItemTree>;

  constructor(roots: ItemTree, nodes: NodeStore, replayed: ReadonlyMap<number, ItemTree> = new Map()) {
    this.#roots = roots;
    this.#nodes = nodes;
    this.#replayed = replayed;
  }

  /**
   * The items of a subvolume, or of another tree.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when it is not there, or was deleted
   */
  async tree(id: number): Promise<ItemTree> {
    const replayed = this.#replayed.get(id);
    if (replayed !== undefined) return replayed;
    const known = this.#trees.get(id);
    if (known !== undefined) return known;
    if (this.#trees.size >= MAX_TREES) this.#trees.clear();
    const opened = this.#open(id);
    this.#trees.set(id, opened);
    opened.catch(() => this.#trees.delete(id));
    return opened;
  }

  /** True if a subvolume stands in a directory of another one under a name: an entry alone is not enough. */
  async stands(parent: number, directory: number, name: Buffer, child: number): Promise<boolean> {
    const reference = await this.#roots.find({ objectId: parent, type: KeyType.rootRef, offset: child });
    if (reference === undefined || reference.data.length < ROOT_REF_BYTES) return false;
    const { data } = reference;
    return data.readBigUInt64LE(0) === BigInt(directory) && data.subarray(ROOT_REF_BYTES).equals(name);
  }

  /** Where a subvolume stands, by its own reference; undefined for the top level, and one that stands nowhere. */
  async place(child: number): Promise<{ parent: number; directory: number; name: Buffer } | undefined> {
    const item = await this.#roots.floor({ objectId: child, type: KeyType.rootBackref, offset: -1 });
    if (item?.objectId !== child || item.type !== KeyType.rootBackref || item.data.length < ROOT_REF_BYTES)
      return undefined;
    return { parent: item.offset, directory: u64(item.data, 0), name: item.data.subarray(ROOT_REF_BYTES) };
  }

  /** The number of the subvolume that a mount without options shows. */
  async defaultId(): Promise<number> {
    const name = Buffer.from('default');
    const key = { objectId: ROOT_DIRECTORY, type: KeyType.dirItem, offset: nameHash(name) };
    const item = await this.#roots.find(key);
    const entry = item === undefined ? undefined : parseDirItem(item.data).find((entry) => isNamed(entry, name));
    return entry?.location.objectId ?? ObjectId.topLevel;
  }

  /** True if there is such a tree. */
  async has(id: number): Promise<boolean> {
    return (await this.#root(id)) !== undefined;
  }

  async #open(id: number): Promise<ItemTree> {
    const item = await this.#root(id);
    if (item === undefined) throw damaged(`there is no subvolume ${id}`);
    return new Tree(this.#nodes, rootOf(item));
  }

  /** The newest root of a tree, unless it was deleted. */
  async #root(id: number): Promise<Item | undefined> {
    const item = await this.#roots.floor({ objectId: id, type: KeyType.rootItem, offset: -1 });
    if (item?.objectId !== id || item.type !== KeyType.rootItem) return undefined;
    return item.data.length >= ROOT_ITEM_BYTES && item.data.readUInt32LE(216) === 0 ? undefined : item;
  }
}

/**
 * The root that a root item names.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function rootOf({ objectId, data }: Item): TreeRoot {
  if (data.length < ROOT_ITEM_BYTES) throw damaged(`the root of the tree ${objectId} is cut off`);
  return { logical: u64(data, 176), generation: u64(data, 160), level: data.readUInt8(238) };
}

function isNamed(entry: DirEntry, name: Buffer): boolean {
  return entry.name.equals(name);
}
