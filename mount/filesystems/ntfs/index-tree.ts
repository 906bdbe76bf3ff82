import { Budget } from '../../blocks/budget.js';
import { UmbraError } from '../../../src/common/errors.js';
import { AttributeType } from './attribute.js';
import type { NtfsCore } from './core.js';
import { IndexNode, parseIndexBlock } from './index-node.js';
import type { Inode } from './inode.js';
import { Lru } from '../lru.js';
import { damaged, isPowerOfTwo } from './parse.js';
import { readPart, type Stream, streamOf } from './stream.js';

/** Of the content of an index root, before the index header. */
const ROOT_HEADER_BYTES = 16;
const MIN_BLOCK_BYTES = 512;
const MAX_BLOCK_BYTES = 65_536;
/** With clusters larger than a block, blocks are counted in these units. */
const SMALL_UNIT_BYTES = 512;
const MAX_DEPTH = 32;
const KEPT_NODES = 8;
/** Listing a directory ends when so many of its blocks are damaged. */
const MAX_FAILURES = 1000;
const BITMAP_PIECE_BYTES = 4096;

/** Where a search ends in each node on its way. */
export interface Position {
  /** The first entry that does not come before what is looked for; may be the last, without a key. */
  readonly index: number;
  /** Whether that entry is what is looked for. */
  readonly exact: boolean;
}

/** An index of a file: a directory's names (`$I30`), or those of the system's files. */
export class IndexTree {
  readonly root: IndexNode;
  readonly #core: NtfsCore;
  readonly #blocks: Stream | undefined;
  readonly #bitmap: Stream | undefined;
  readonly #blockBytes: number;
  readonly #unitBytes: number;
  readonly #nodes = new Lru<number, IndexNode>(KEPT_NODES);

  private constructor(core: NtfsCore, root: Buffer, blocks: Stream | undefined, bitmap: Stream | undefined) {
    if (root.length < ROOT_HEADER_BYTES) throw damaged('an index root is cut off');
    this.#core = core;
    this.#blocks = blocks;
    this.#bitmap = bitmap;
    this.#blockBytes = root.readUInt32LE(8);
    if (!isPowerOfTwo(this.#blockBytes) || this.#blockBytes < MIN_BLOCK_BYTES || this.#blockBytes > MAX_BLOCK_BYTES) {
      throw damaged(`an index has blocks of ${this.#blockBytes} bytes`);
    }
    const { clusterBytes } = core.geometry;
    this.#unitBytes = clusterBytes <= this.#blockBytes ? clusterBytes : SMALL_UNIT_BYTES;
    this.root = new IndexNode(root.subarray(ROOT_HEADER_BYTES));
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED */
  static async open(core: NtfsCore, inode: Inode, name: string): Promise<IndexTree> {
    const root = await inode.first(AttributeType.INDEX_ROOT, name);
    if (root?.value === undefined) throw damaged(`file ${inode.record.number} has no index`);
    const blocks = await inode.parts(AttributeType.INDEX_ALLOCATION, name);
    if (blocks.length === 0) return new IndexTree(core, root.value, undefined, undefined);
    const bitmap = await inode.parts(AttributeType.BITMAP, name);
    return new IndexTree(core, root.value, streamOf(core, blocks), streamOf(core, bitmap));
  }

  /**
   * Go down from the root to where something must stand.
   * @param visit looks at a node and says where in it the search goes on
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  async search(visit: (node: IndexNode) => Position): Promise<void> {
    const depth = new Budget(MAX_DEPTH, 'levels of an index');
    let node = this.root;
    for (;;) {
      depth.spend();
      const { index, exact } = visit(node);
      if (exact) return;
      const child = node.child(index);
      if (child === undefined) return;
      const next = this.#node(child);
      node = next instanceof Promise ? await next : next;
    }
  }

  /**
   * All nodes, not in the order of the keys, but in the order in which they stand on the volume. Blocks that can't be
   * read are left out, and the first error is thrown when all others have been given.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  async *nodes(): AsyncGenerator<IndexNode> {
    yield this.root;
    let failure: UmbraError | undefined;
    const failures = new Budget(MAX_FAILURES, 'damaged blocks in an index');
    for await (const block of this.#usedBlocks()) {
      try {
        yield await this.#read((block * this.#blockBytes) / this.#unitBytes);
      } catch (error) {
        if (!(error instanceof UmbraError)) throw error;
        failure ??= error;
        failures.spend();
      }
    }
    if (failure !== undefined) throw failure;
  }

  #node(vcn: number): IndexNode | Promise<IndexNode> {
    return this.#nodes.get(vcn) ?? this.#load(vcn);
  }

  async #load(vcn: number): Promise<IndexNode> {
    return this.#nodes.set(vcn, await this.#read(vcn));
  }

  async #read(vcn: number): Promise<IndexNode> {
    if (this.#blocks === undefined) throw damaged('an index has no blocks');
    const bytes = await readPart(this.#core, this.#blocks, vcn * this.#unitBytes, this.#blockBytes);
    return parseIndexBlock(Buffer.from(bytes), vcn);
  }

  /** The numbers of the blocks whose bit is set; the others hold what was there before. */
  async *#usedBlocks(): AsyncGenerator<number> {
    if (this.#blocks === undefined || this.#bitmap === undefined) return;
    // No index is larger than its volume, whatever it says.
    const sizeBytes = Math.min(this.#blocks.initializedBytes, this.#core.source.sizeBytes);
    const blocks = Math.floor(sizeBytes / this.#blockBytes);
    const bytes = Math.min(Math.ceil(blocks / 8), this.#bitmap.initializedBytes);
    for (let at = 0; at < bytes; at += BITMAP_PIECE_BYTES) {
      const piece = await readPart(this.#core, this.#bitmap, at, Math.min(BITMAP_PIECE_BYTES, bytes - at));
      for (const [index, byte] of piece.entries()) {
        for (let bit = 0; byte >> bit !== 0; bit++) {
          const block = 8 * (at + index) + bit;
          if (((byte >> bit) & 1) !== 0 && block < blocks) yield block;
        }
      }
    }
  }
}
