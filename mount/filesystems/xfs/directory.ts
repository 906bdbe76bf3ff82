import { Budget } from '../../blocks/budget.js';
import { damaged, takeApart } from './damaged.js';
import { readTreeBlock } from './directory-blocks.js';
import { blockEntries, type DataBlock, entryAt, indexStart, openDataBlock } from './directory-data.js';
import { isDots, type RawEntry } from './directory-entry.js';
import { addressAt, firstNotBelow, type HashArray, hashArray, hashAt } from './directory-index.js';
import { type ExtentMap, mappings } from './extent-map.js';
import { findLeaf, type HashTreePlace, type Leaf, readLeaf } from './hash-tree.js';
import type { Inode } from './inode.js';
import type { Metadata } from './metadata.js';
import { caselessHash, isSameCaseless, nameHash } from './name-hash.js';
import { shortformEntries } from './shortform-directory.js';

/** The entries stand below this offset in the directory, the index from it on. */
const SPACE_BYTES = 2 ** 35;
/** Leaves of the index: of a directory with one leaf, and with more. */
const LEAF_MAGICS = { v5: [0x3df1, 0x3dff], v4: [0xd2f1, 0xd2ff] } as const;
const LEAF_HEADER_BYTES = { v5: 64, v4: 16 } as const;

/** How many leaves and entries one look-up sees: all names of a directory can have the same hash. */
const MOST_CANDIDATES = 1_000_000;
/** Blocks that one listing reads: those of 32 GiB of entries in the smallest blocks. */
const MOST_BLOCKS = 2 ** 26;

/** What a look-up looks for. */
interface Wanted {
  readonly hash: number;
  readonly isIt: (entry: RawEntry) => boolean;
  readonly budget: Budget;
}

/** One directory, open: its entries in order, and one of them by its name. */
export class Directory {
  readonly #metadata: Metadata;
  readonly #inode: Inode;
  /** Undefined if it stands in the inode. */
  readonly #map: ExtentMap | undefined;

  /** @param map where its blocks stand; undefined for a directory that is in its inode */
  constructor(metadata: Metadata, inode: Inode, map: ExtentMap | undefined) {
    this.#metadata = metadata;
    this.#inode = inode;
    this.#map = map;
  }

  /**
   * All entries but `.` and `..`, block by block.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  async *entries(): AsyncGenerator<readonly RawEntry[]> {
    const { hasFtype } = this.#metadata.geometry.superblock;
    if (this.#map === undefined) yield this.#shortform();
    else {
      for await (const block of this.#dataBlocks(this.#map)) {
        yield blockEntries(block, hasFtype).filter(({ name }) => !isDots(name));
      }
    }
  }

  /**
   * The entry of a name, as the kernel finds it: by the index.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  async find(name: Buffer): Promise<RawEntry | undefined> {
    const { ignoresCase } = this.#metadata.geometry.superblock;
    const isIt = (entry: RawEntry): boolean =>
      entry.name.equals(name) || (ignoresCase && isSameCaseless(entry.name, name));
    if (isDots(name)) return undefined;
    if (this.#map === undefined) return this.#shortform().find(isIt);
    return await this.#findByHash(this.#map, ignoresCase ? caselessHash(name) : nameHash(name), isIt);
  }

  #shortform(): RawEntry[] {
    const { data, sizeBytes } = this.#inode;
    return shortformEntries(data.bytes, sizeBytes, this.#metadata.geometry.superblock.hasFtype);
  }

  async *#dataBlocks(map: ExtentMap): AsyncGenerator<DataBlock> {
    const { blockBytes } = this.#metadata.geometry.superblock;
    const each = this.#blocksEach;
    const budget = new Budget(MOST_BLOCKS, 'blocks of a directory');
    let next = 0;
    for await (const { start, count } of mappings(map, 0, SPACE_BYTES / blockBytes, budget)) {
      const end = Math.min(start + count, SPACE_BYTES / blockBytes);
      for (next = Math.max(next, start - (start % each)); next < end; next += each) {
        budget.spend();
        const block = await this.#dataBlock(map, next);
        yield block;
        if (block.isWhole) return;
      }
    }
  }

  async #dataBlock(map: ExtentMap, first: number): Promise<DataBlock> {
    const block = await readTreeBlock(this.#metadata, map, first, this.#blocksEach);
    if (block === undefined) throw damaged(`directory ${this.#inode.number} has a hole where entries should be`);
    return openDataBlock(this.#metadata, block, this.#inode.number);
  }

  async #findByHash(map: ExtentMap, hash: number, isIt: Wanted['isIt']): Promise<RawEntry | undefined> {
    const { directoryBlockBytes } = this.#metadata.geometry.superblock;
    const budget = new Budget(MOST_CANDIDATES, 'names of one hash in a directory');
    if (this.#inode.sizeBytes === directoryBlockBytes) {
      const block = await this.#dataBlock(map, 0);
      if (block.isWhole) {
        const start = indexStart(block.bytes);
        const hashes = hashArray(block.bytes, start, (block.bytes.length - 8 - start) / 8);
        return await this.#match(map, hashes, { hash, isIt, budget });
      }
    }
    return await this.#findInTree(map, { hash, isIt, budget });
  }

  async #findInTree(map: ExtentMap, wanted: Wanted): Promise<RawEntry | undefined> {
    const { metadata, owner } = { metadata: this.#metadata, owner: this.#inode.number };
    const { blockBytes } = metadata.geometry.superblock;
    const firstBlock = SPACE_BYTES / blockBytes;
    const place: HashTreePlace = { metadata, map, owner, firstBlock, blocksEach: this.#blocksEach };
    let leaf = await findLeaf(place, wanted.hash);
    while (leaf !== undefined) {
      wanted.budget.spend();
      const hashes = this.#hashes(leaf);
      const found = await this.#match(map, hashes, wanted);
      if (found !== undefined) return found;
      // Names of the same hash can go on in the next leaf.
      const goesOn = leaf.next !== 0 && (hashes.count === 0 || hashAt(hashes, hashes.count - 1) === wanted.hash);
      leaf = goesOn ? await readLeaf(place, leaf.next) : undefined;
    }
    return undefined;
  }

  #hashes({ bytes, magic }: Leaf): HashArray {
    const version = this.#metadata.geometry.superblock.version === 5 ? 'v5' : 'v4';
    if (!LEAF_MAGICS[version].some((known) => known === magic)) throw damaged('a leaf of a directory is none');
    const headerBytes = LEAF_HEADER_BYTES[version];
    return hashArray(bytes, headerBytes, bytes.readUInt16BE(headerBytes - (version === 'v5' ? 8 : 4)));
  }

  async #match(map: ExtentMap, hashes: HashArray, wanted: Wanted): Promise<RawEntry | undefined> {
    const { hash, isIt, budget } = wanted;
    for (let index = firstNotBelow(hashes, hash); index < hashes.count && hashAt(hashes, index) === hash; index++) {
      budget.spend();
      const address = addressAt(hashes, index);
      // 0 stands where an entry was removed.
      const entry = address === 0 ? undefined : await this.#entryAt(map, address * 8);
      if (entry !== undefined && isIt(entry)) return entry;
    }
    return undefined;
  }

  async #entryAt(map: ExtentMap, offset: number): Promise<RawEntry> {
    const { directoryBlockBytes, hasFtype } = this.#metadata.geometry.superblock;
    const number = Math.floor(offset / directoryBlockBytes);
    const block = await this.#dataBlock(map, number * this.#blocksEach);
    return takeApart('an entry', () => entryAt(block, offset - number * directoryBlockBytes, hasFtype));
  }

  get #blocksEach(): number {
    const { blockBytes, directoryBlockBytes } = this.#metadata.geometry.superblock;
    return directoryBlockBytes / blockBytes;
  }
}
