import { TreeError } from './tree-error.js';

/** Numbers that are handed out together, to neighbours. */
const PAGE = 64;
const PAGES = 2 ** 32 / PAGE;

/** The number of the tree's top. */
export const ROOT_INODE = 1;

/**
 * Inode numbers, unique in a mount. fuse-native passes 32 bits, too few to hash paths into: with
 * 100,000 nodes a collision is likely, and tools would take unrelated files for hard links, or a
 * directory for its own parent. So numbers come from a counter, in pages of 64: an *owner* (a
 * machine, a shadow copy, later a guest's file system) gets pages, and a node is an owner and an
 * index in it. That takes one small entry for each owner that was looked at, not one for each node.
 * A number is never used for another node again.
 */
export class InodeTable {
  readonly #owners = new Map<string, Map<number, number>>();
  /** Page 0 has the root. */
  #nextPage = 1;

  /** How many owners have numbers. */
  get size(): number {
    return this.#owners.size;
  }

  /**
   * The number of the owner's node `index` (from 0): the same one until the owner is forgotten.
   * @throws {TreeError} ENFILE when 2^32 numbers are used up
   */
  number(owner: string, index: number): number {
    let pages = this.#owners.get(owner);
    if (pages === undefined) {
      pages = new Map();
      this.#owners.set(owner, pages);
    }
    const pageIndex = Math.floor(index / PAGE);
    let page = pages.get(pageIndex);
    if (page === undefined) {
      if (this.#nextPage >= PAGES) throw new TreeError('ENFILE', owner);
      page = this.#nextPage++;
      pages.set(pageIndex, page);
    }
    return page * PAGE + (index % PAGE);
  }

  /** The owner is gone for good. */
  forget(owner: string): void {
    this.#owners.delete(owner);
  }
}
