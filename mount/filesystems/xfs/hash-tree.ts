import { Budget } from '../../blocks/budget.js';
import { damaged } from './damaged.js';
import { readTreeBlock, type TreeBlock } from './directory-blocks.js';
import { addressAt, firstNotBelow, type HashArray, hashArray } from './directory-index.js';
import type { ExtentMap } from './extent-map.js';
import { type Metadata, TREE } from './metadata.js';

/** Magic numbers of the nodes, by the version of the file system. */
const NODE_MAGIC = { v5: 0x3ebe, v4: 0xfebe } as const;
const NODE_HEADER_BYTES = { v5: 64, v4: 16 } as const;
/** More than the kernel allows (XFS_DA_NODE_MAXDEPTH). */
const MOST_LEVELS = 5;

/** Where a tree of hashes stands: directories and attributes both have one. */
export interface HashTreePlace {
  readonly metadata: Metadata;
  readonly map: ExtentMap;
  readonly owner: number;
  /** The file system block in the fork that block 0 of the tree is. */
  readonly firstBlock: number;
  /** File system blocks of each block of the tree. */
  readonly blocksEach: number;
}

/** A leaf, checked, and its right neighbour's number; 0 if it has none. */
export interface Leaf extends TreeBlock {
  readonly magic: number;
  readonly next: number;
}

/**
 * Find the leaf in which a hash is, or would be; nodes of the tree say the highest hash below each child.
 * @returns undefined when the hash is above all
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function findLeaf(place: HashTreePlace, hash: number): Promise<Leaf | undefined> {
  const version = place.metadata.geometry.superblock.version === 5 ? 'v5' : 'v4';
  let block = await readLeaf(place, 0);
  let expected: number | undefined;
  const budget = new Budget(MOST_LEVELS, 'levels of an index');
  while (block.magic === NODE_MAGIC[version]) {
    budget.spend();
    const headerBytes = NODE_HEADER_BYTES[version];
    const level = block.bytes.readUInt16BE(headerBytes - (version === 'v5' ? 6 : 2));
    if (level === 0 || (expected !== undefined && level !== expected)) throw damaged('an index has wrong levels');
    expected = level - 1;
    const count = block.bytes.readUInt16BE(headerBytes - (version === 'v5' ? 8 : 4));
    const children: HashArray = hashArray(block.bytes, headerBytes, count);
    const child = firstNotBelow(children, hash);
    if (child === count) return undefined;
    block = await readLeaf(place, addressAt(children, child));
  }
  return block;
}

/**
 * Read a block of the tree and check it; its number counts file system blocks of the fork.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function readLeaf(place: HashTreePlace, number: number): Promise<Leaf> {
  const { metadata, map, owner, firstBlock, blocksEach } = place;
  const block = await readTreeBlock(metadata, map, number === 0 ? firstBlock : number, blocksEach);
  if (block === undefined) throw damaged(`the index of inode ${owner} has a hole`);
  metadata.check(block.bytes, TREE, owner, block.offset, `a block of the index of inode ${owner}`);
  return { ...block, magic: block.bytes.readUInt16BE(8), next: block.bytes.readUInt32BE(0) };
}
