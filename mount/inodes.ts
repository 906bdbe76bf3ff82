import type { FileId } from './filesystems/filesystem.js';
import { TreeError } from './tree-error.js';

/** Numbers that are handed out together, to neighbours. */
const PAGE = 64;
const PAGES = 2 ** 32 / PAGE;
/** Pages remembered at most, about 80 bytes each. */
const MAX_PAGES = 512 * 1024;

/** The number of the tree's top. */
export const ROOT_INODE = 1;

type Pages = Map<FileId, number>;

/**
 * Inode numbers, unique in a mount. fuse-native passes 32 bits, too few to hash paths into: with
 * 100,000 nodes a collision is likely, and tools would take unrelated files for hard links, or a
 * directory for its own parent. So numbers come from a counter, in pages of 64: an *owner* (a
 * machine, a shadow copy, a guest's file system) gets pages, and a node is an owner and an
 * index in it, in a guest the number that its file system has for the file. Most file systems count
 * their files, so that takes little more than a byte for each file that was looked at.
 * A number is never used for another node again. When too much is to be remembered, the owner that was
 * not used for the longest time gets new numbers.
 */
export class InodeTable {
  /** In the order of use, the latest last. */
  readonly #owners = new Map<string, Pages>();
  readonly #maxPages: number;
  #lastOwner: string | undefined;
  #lastPages: Pages = new Map();
  #rememberedPages = 0;
  /** Page 0 has the root. */
  #nextPage = 1;

  constructor(maxPages = MAX_PAGES) {
    this.#maxPages = maxPages;
  }

  /** How many owners have numbers. */
  get size(): number {
    return this.#owners.size;
  }

  /**
   * The number of the owner's node `index` (from 0): the same one until the owner is forgotten.
   * @throws {TreeError} ENFILE when 2^32 numbers are used up
   */
  number(owner: string, index: FileId): number {
    const pages = owner === this.#lastOwner ? this.#lastPages : this.#use(owner);
    if (typeof index === 'number') {
      const pageIndex = Math.floor(index / PAGE);
      return this.#page(owner, pages, pageIndex) * PAGE + (index - pageIndex * PAGE);
    }
    return this.#page(owner, pages, index / BigInt(PAGE)) * PAGE + Number(index % BigInt(PAGE));
  }

  /** The owner is gone for good, and what belongs to it (`OWNER/…`). */
  forget(owner: string): void {
    this.#drop(owner);
    for (const other of this.#owners.keys()) if (other.startsWith(`${owner}/`)) this.#drop(other);
  }

  #use(owner: string): Pages {
    const pages = this.#owners.get(owner) ?? new Map<FileId, number>();
    this.#owners.delete(owner);
    this.#owners.set(owner, pages);
    this.#lastOwner = owner;
    this.#lastPages = pages;
    return pages;
  }

  #page(owner: string, pages: Pages, pageIndex: FileId): number {
    const known = pages.get(pageIndex);
    if (known !== undefined) return known;
    if (this.#nextPage >= PAGES) throw new TreeError('ENFILE', owner);
    const page = this.#nextPage++;
    pages.set(pageIndex, page);
    this.#rememberedPages++;
    for (const oldest of this.#owners.keys()) {
      if (this.#rememberedPages <= this.#maxPages) break;
      if (oldest === owner && pages.size <= this.#maxPages) continue;
      this.#drop(oldest);
    }
    return page;
  }

  #drop(owner: string): void {
    this.#rememberedPages -= this.#owners.get(owner)?.size ?? 0;
    this.#owners.delete(owner);
    if (this.#lastOwner === owner) this.#lastOwner = undefined;
  }
}
