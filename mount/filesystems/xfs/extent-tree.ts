import { damaged, takeApart } from './damaged.js';
import { ExtentList } from './extent-list.js';
import type { ExtentMap, Piece } from './extent-map.js';
import { EXTENT_TREE, type Metadata, number64 } from './metadata.js';

/** `BMA3` and `BMAP` */
const MAGIC = { v5: 0x424d4133, v4: 0x424d4150 } as const;
export const TREE_HEADER_BYTES = { v5: 72, v4: 24 } as const;
/** More levels than 2^54 extents need (XFS_BM_MAXLEVELS). */
const MOST_LEVELS = 9;

interface Step {
  readonly child: number;
  /** The first file block that is not below the child. */
  readonly end: number;
}

/** A leaf, and the blocks that it speaks for. */
interface KeptLeaf {
  readonly list: ExtentList;
  readonly start: number;
  readonly end: number;
}

const KEPT_LEAVES = 3;

/** The extents of a fork that has too many for its inode: a B+tree of blocks whose root is in the inode. */
export class ExtentTree implements ExtentMap {
  readonly #metadata: Metadata;
  readonly #owner: number;
  readonly #root: Buffer;
  /** The leaves that were used last, the latest first: a directory is read in its entries and its index by turns. */
  #leaves: readonly KeptLeaf[] = [];

  constructor(metadata: Metadata, owner: number, root: Buffer) {
    this.#metadata = metadata;
    this.#owner = owner;
    this.#root = root;
  }

  find(block: number): Piece | Promise<Piece> {
    for (const { list, start, end } of this.#leaves) if (block >= start && block < end) return list.find(block, end);
    return this.#descend(block);
  }

  async #descend(block: number): Promise<Piece> {
    const root = this.#root;
    const level = takeApart('the root of an extent tree', () => root.readUInt16BE(0));
    if (level === 0 || level >= MOST_LEVELS) throw damaged(`an extent tree has ${level} levels`);
    let step = this.#step(root, 4, root.readUInt16BE(2), block, Infinity);
    for (let below = level - 1; below > 0; below--) {
      const node = await this.#node(step.child, below);
      step = this.#step(node, this.#headerBytes, node.readUInt16BE(6), block, step.end);
    }
    const leaf = await this.#node(step.child, 0);
    // A copy: the cache's unit must not be held by what is only one leaf of it.
    const list = new ExtentList(Buffer.from(leaf), this.#headerBytes, leaf.readUInt16BE(6));
    this.#leaves = [{ list, start: block, end: step.end }, ...this.#leaves.slice(0, KEPT_LEAVES - 1)];
    return list.find(block, step.end);
  }

  /** The child of a node that a block is below: the last one whose first block is not after it. */
  #step(node: Buffer, at: number, count: number, block: number, end: number): Step {
    const most = Math.floor((node.length - at) / 16);
    if (count === 0 || count > most) throw damaged('a node of an extent tree has an impossible number of entries');
    let low = 1;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (number64(node, at + middle * 8) <= block) low = middle + 1;
      else high = middle;
    }
    const next = low < count ? number64(node, at + low * 8) : end;
    return { child: number64(node, at + most * 8 + (low - 1) * 8), end: Math.max(block + 1, Math.min(next, end)) };
  }

  async #node(block: number, level: number): Promise<Buffer> {
    const { geometry } = this.#metadata;
    const offset = geometry.offsetOf(block);
    const node = await this.#metadata.bytes(offset, geometry.superblock.blockBytes);
    const what = `block ${block} of an extent tree`;
    const magic = geometry.superblock.version === 5 ? MAGIC.v5 : MAGIC.v4;
    if (node.readUInt32BE(0) !== magic || node.readUInt16BE(4) !== level) throw damaged(`${what} is none`);
    this.#metadata.check(node, EXTENT_TREE, this.#owner, offset, what);
    return node;
  }

  get #headerBytes(): number {
    return this.#metadata.geometry.superblock.version === 5 ? TREE_HEADER_BYTES.v5 : TREE_HEADER_BYTES.v4;
  }
}
