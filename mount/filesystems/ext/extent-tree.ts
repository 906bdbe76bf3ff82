import { crcOf } from './checksum.js';
import { damaged } from './errors.js';
import { type Inode, inodeChecksumSeed } from './inode.js';
import type { BlockMapping, Run } from './block-mapping.js';
import { hasMetadataChecksums } from './superblock.js';
import { areDataBlocks, metadataBlock, type Volume } from './volume.js';

const MAGIC = 0xf30a;
const HEADER_BYTES = 12;
const ENTRY_BYTES = 12;
const MAX_DEPTH = 5;
/** Longer ones are allocated, but not written: they have this much more. */
const MAX_WRITTEN_BLOCKS = 32_768;
/** Numbers of a file's blocks are below. */
export const END_OF_FILE_BLOCKS = 2 ** 32;

/** The blocks of a file that a node speaks of: from `low` on, below `high`. */
interface Range {
  readonly low: number;
  readonly high: number;
}

/** The tree of extents of a file. The nodes on the way to the last block that was asked for are kept. */
export class ExtentTree implements BlockMapping {
  readonly #volume: Volume;
  readonly #inode: Inode;
  #root: Buffer | undefined;
  /** By level below the root. */
  readonly #path: ({ readonly block: number; readonly node: Buffer } | undefined)[] = [];

  constructor(volume: Volume, inode: Inode) {
    this.#volume = volume;
    this.#inode = inode;
  }

  find(block: number): Run | Promise<Run> {
    const range = { low: 0, high: END_OF_FILE_BLOCKS };
    if (block >= END_OF_FILE_BLOCKS) {
      return { start: block, length: Number.MAX_SAFE_INTEGER - block, physical: undefined };
    }
    if (this.#root === undefined) {
      const root = this.#inode.block;
      const depth = root.readUInt16LE(6);
      if (depth > MAX_DEPTH) throw this.#damaged('is too deep');
      this.#check(root, depth, range);
      this.#root = root;
    }
    return this.#descend(this.#root, 0, block, range);
  }

  #descend(node: Buffer, level: number, block: number, range: Range): Run | Promise<Run> {
    const depth = node.readUInt16LE(6);
    const index = lastNotAfter(node, block);
    const next = entryBlock(node, index + 1) ?? range.high;
    if (depth === 0) return this.#run(node, index, block, { low: range.low, high: next });
    if (index < 0) return { start: range.low, length: next - range.low, physical: undefined };
    const inside = { low: entryBlock(node, index) ?? range.low, high: next };
    const child = this.#child(childOf(node, index), depth - 1, level, inside);
    if (child instanceof Promise) return child.then((loaded) => this.#descend(loaded, level + 1, block, inside));
    return this.#descend(child, level + 1, block, inside);
  }

  /** The run of a leaf: the extent of that index, or the hole behind it. */
  #run(node: Buffer, index: number, block: number, { low, high }: Range): Run {
    if (index < 0) return { start: low, length: high - low, physical: undefined };
    const { start, length, physical, isWritten } = extentAt(node, index);
    if (block >= start + length) {
      return { start: start + length, length: high - start - length, physical: undefined };
    }
    if (!isWritten) return { start, length, physical: undefined };
    if (!areDataBlocks(this.#volume.superblock, physical, length)) {
      throw this.#damaged('points outside of the file system');
    }
    return { start, length, physical };
  }

  #child(block: number, depth: number, level: number, range: Range): Buffer | Promise<Buffer> {
    const known = this.#path[level];
    if (known?.block === block && known.node.readUInt16LE(6) === depth) return known.node;
    if (!areDataBlocks(this.#volume.superblock, block, 1)) throw this.#damaged('points outside of the file system');
    const bytes = metadataBlock(this.#volume, block);
    const keep = (loaded: Buffer): Buffer => {
      this.#check(loaded, depth, range);
      this.#verify(loaded);
      // A copy: a view would keep a whole unit of the cache in memory.
      const node = Buffer.from(loaded);
      this.#path[level] = { block, node };
      return node;
    };
    return bytes instanceof Promise ? bytes.then(keep) : keep(bytes);
  }

  /** As ext4_ext_check() does; the entries must lie in the range that the parent gives, which makes loops impossible. */
  #check(node: Buffer, depth: number, { low, high }: Range): void {
    const entries = node.readUInt16LE(2);
    const max = node.readUInt16LE(4);
    if (node.readUInt16LE(0) !== MAGIC || node.readUInt16LE(6) !== depth) throw this.#damaged('has a broken node');
    if (entries > max || HEADER_BYTES + max * ENTRY_BYTES > node.length) throw this.#damaged('has a broken node');
    if (entries === 0 && depth > 0) throw this.#damaged('has an empty node');
    let end = low;
    for (let index = 0; index < entries; index++) {
      const start = node.readUInt32LE(HEADER_BYTES + index * ENTRY_BYTES);
      const length = depth === 0 ? extentAt(node, index).length : 1;
      if (start < end || length === 0) throw this.#damaged('is out of order');
      end = start + length;
    }
    if (end > high) throw this.#damaged('is out of order');
  }

  #verify(node: Buffer): void {
    if (!hasMetadataChecksums(this.#volume.superblock)) return;
    const tail = HEADER_BYTES + node.readUInt16LE(4) * ENTRY_BYTES;
    const seed = inodeChecksumSeed(this.#volume.superblock, this.#inode);
    if (tail + 4 > node.length || crcOf(seed, node.subarray(0, tail)) !== node.readUInt32LE(tail)) {
      throw this.#damaged('has a wrong checksum');
    }
  }

  #damaged(what: string): Error {
    return damaged(`the extent tree of inode ${this.#inode.number} ${what}`);
  }
}

/** An extent of a leaf. */
export interface StoredExtent {
  readonly start: number;
  readonly length: number;
  readonly physical: number;
  readonly isWritten: boolean;
}

/** The extent that stands at `at`, as `struct ext4_extent` has it. */
export function parseExtent(bytes: Buffer, at: number): StoredExtent {
  const length = bytes.readUInt16LE(at + 4);
  const isWritten = length <= MAX_WRITTEN_BLOCKS;
  return {
    start: bytes.readUInt32LE(at),
    length: isWritten ? length : length - MAX_WRITTEN_BLOCKS,
    physical: bytes.readUInt16LE(at + 6) * 2 ** 32 + bytes.readUInt32LE(at + 8),
    isWritten,
  };
}

function extentAt(node: Buffer, index: number): StoredExtent {
  return parseExtent(node, HEADER_BYTES + index * ENTRY_BYTES);
}

function childOf(node: Buffer, index: number): number {
  const at = HEADER_BYTES + index * ENTRY_BYTES;
  return node.readUInt16LE(at + 8) * 2 ** 32 + node.readUInt32LE(at + 4);
}

/** The first block of an entry; undefined behind the last. */
function entryBlock(node: Buffer, index: number): number | undefined {
  return index < node.readUInt16LE(2) ? node.readUInt32LE(HEADER_BYTES + index * ENTRY_BYTES) : undefined;
}

/** The index of the last entry that starts at or before `block`; -1 without one. */
function lastNotAfter(node: Buffer, block: number): number {
  let low = 0;
  let high = node.readUInt16LE(2);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (node.readUInt32LE(HEADER_BYTES + middle * ENTRY_BYTES) <= block) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
