import type { DirectoryItem } from '../filesystem.js';
import { DirectoryBlocks } from './directory-blocks.js';
import { type EntryRules, scanEntries, type StoredEntry } from './directory-entries.js';
import { type DirectoryNames, namesOf, type WantedName } from './directory-names.js';
import { damaged } from './errors.js';
import type { DirectoryChanges, EntryChange } from './fast-commit-changes.js';
import { COMPAT, INCOMPAT } from './features.js';
import type { HashRules } from './hash.js';
import { type IndexAccess, leavesOf, parseRoot } from './htree.js';
import { FLAG, type Inode } from './inode.js';
import { hasInlineData } from './inline-data.js';
import { hashOfKey, MAX_INDEXED_NAMES, NameIndex } from './name-index.js';
import type { Superblock } from './superblock.js';
import type { Volume } from './volume.js';

/** A list is handed out in pieces of about so many. */
const BATCH_ITEMS = 512;
/** Directories of fewer blocks are looked through each time. */
const MIN_INDEXED_BLOCKS = 4;
/** Kinds of hash below have a twin for unsigned bytes. */
const SIGNED_KINDS = 3;

/** A directory: its list and its look-ups. */
export class Directory {
  readonly #blocks: DirectoryBlocks;
  readonly #superblock: Superblock;
  readonly #inode: Inode;
  readonly #rules: EntryRules;
  readonly #changes: DirectoryChanges | undefined;
  #names: DirectoryNames | undefined;
  /** Null for a directory with too many names. */
  #index: NameIndex | null | undefined;

  constructor(volume: Volume, inode: Inode) {
    const { superblock, changes } = volume;
    this.#superblock = superblock;
    this.#inode = inode;
    this.#blocks = new DirectoryBlocks(volume, inode);
    this.#changes = changes?.entries(inode.number);
    const hashed = FLAG.ENCRYPT | FLAG.CASEFOLD;
    this.#rules = {
      inodesCount: superblock.inodesCount,
      hasTypes: (superblock.incompat & INCOMPAT.FILETYPE) !== 0,
      hasHashes: (inode.flags & hashed) === hashed,
    };
  }

  /**
   * All entries. What can be read is handed out even if some is damaged; then comes the error.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  async *list(): AsyncGenerator<readonly DirectoryItem[]> {
    const names = await this.#ownNames();
    const damage: unknown[] = [];
    let batch: DirectoryItem[] = [];
    /** Names that fast commits add, and that are on the disk. */
    const known = new Set<string>();
    const take = (entry: StoredEntry): boolean => {
      if (this.#stays(entry, known)) batch.push(itemOf(entry, names));
      return false;
    };
    const isNew = this.#changes?.isNew === true;
    for await (const { number, bytes } of isNew ? [] : this.#blocks.all((error) => damage.push(error))) {
      if (!scanEntries(bytes, this.#rules, take)) damage.push(this.#broken(number));
      if (batch.length < BATCH_ITEMS) continue;
      yield batch;
      batch = [];
    }
    batch.push(...this.#added(names, known));
    if (batch.length > 0) yield batch;
    if (damage.length > 0) throw damage[0];
  }

  /**
   * The entry of that name; undefined without one.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when it is not there, but may stand in what is damaged
   */
  async lookup(name: string): Promise<DirectoryItem | undefined> {
    const names = await this.#ownNames();
    const wanted = names.wanted(name);
    if (wanted === undefined) return undefined;
    if (this.#changes === undefined) return await this.#lookUpStored(wanted, names);
    const [changed, change] = this.#changeOf(wanted, names) ?? [];
    const stored = this.#changes.isNew ? undefined : await this.#lookUpStored(wanted, names);
    if (stored !== undefined && stored.id !== change?.removed) return stored;
    if (changed === undefined || change?.added === undefined) return undefined;
    return itemOf(changedEntry(changed, change.added), names);
  }

  async #lookUpStored(wanted: WantedName, names: DirectoryNames): Promise<DirectoryItem | undefined> {
    const found = (await this.#lookUpInTree(wanted, names)) ?? (await this.#lookUpInList(wanted, names));
    return found === 'none' ? undefined : found;
  }

  /** Through the directory's own index; undefined if it has none, or it is broken. */
  async #lookUpInTree(wanted: WantedName, names: DirectoryNames): Promise<DirectoryItem | 'none' | undefined> {
    if (!this.#isIndexed()) return undefined;
    const access = this.#indexAccess();
    const root = parseRoot(await this.#blocks.raw(0), access);
    const hash = root === undefined ? undefined : wanted.hash(this.#hashRules(root.hashVersion));
    if (root === undefined || hash === undefined) return undefined;
    const leaves = leavesOf(root, hash, access);
    for (let leaf = await leaves.next(); ; leaf = await leaves.next()) {
      if (leaf.done === true) return leaf.value ? 'none' : undefined;
      const found = this.#search(leaf.value, await this.#blocks.leaf(leaf.value), wanted, names);
      if (found !== undefined) return found;
    }
  }

  async #lookUpInList(wanted: WantedName, names: DirectoryNames): Promise<DirectoryItem | 'none'> {
    if (this.#blocks.count >= MIN_INDEXED_BLOCKS && !hasInlineData(this.#inode)) {
      if (this.#index === undefined) this.#index = await this.#makeIndex(names);
      if (this.#index !== null) return await this.#lookUpIn(this.#index, wanted, names);
    }
    const damage: unknown[] = [];
    for await (const { number, bytes } of this.#blocks.all((error) => damage.push(error))) {
      const found = this.#search(number, bytes, wanted, names);
      if (found !== undefined) return found;
    }
    if (damage.length > 0) throw damage[0];
    return 'none';
  }

  async #lookUpIn(index: NameIndex, wanted: WantedName, names: DirectoryNames): Promise<DirectoryItem | 'none'> {
    for (const number of index.blocksOf(wanted.key)) {
      const found = this.#search(number, await this.#blocks.leaf(number), wanted, names);
      if (found !== undefined) return found;
    }
    return 'none';
  }

  /** Null if there are too many names, or not all can be read. */
  async #makeIndex(names: DirectoryNames): Promise<NameIndex | null> {
    const pairs: [number, number][] = [];
    const damage: unknown[] = [];
    for await (const { number, bytes } of this.#blocks.all((error) => damage.push(error))) {
      const whole = scanEntries(bytes, this.#rules, (entry) => {
        pairs.push([hashOfKey(names.key(entry)), number]);
        return false;
      });
      if (!whole || pairs.length > MAX_INDEXED_NAMES) return null;
    }
    return damage.length === 0 ? new NameIndex(pairs) : null;
  }

  #search(number: number, block: Buffer, wanted: WantedName, names: DirectoryNames): DirectoryItem | undefined {
    // Most blocks do not hold the name at all, which is quickly seen.
    if (names.areVerbatim && !block.includes(wanted.key)) return undefined;
    let found: DirectoryItem | undefined;
    const isWhole = scanEntries(block, this.#rules, (entry) => {
      if (!names.key(entry).equals(wanted.key)) return false;
      found = itemOf(entry, names);
      return true;
    });
    if (!isWhole) throw this.#broken(number);
    return found;
  }

  /** False for an entry that fast commits remove; `known` takes note of those that they would add. */
  #stays({ name, inode }: StoredEntry, known: Set<string>): boolean {
    const change = this.#changes?.names.get(name.toString('latin1'));
    if (change === undefined) return true;
    if (change.removed === inode) return false;
    known.add(name.toString('latin1'));
    return true;
  }

  /** What fast commits do to a name. */
  #changeOf(wanted: WantedName, names: DirectoryNames): [string, EntryChange] | undefined {
    if (names.areVerbatim) {
      const name = wanted.key.toString('latin1');
      const change = this.#changes?.names.get(name);
      return change === undefined ? undefined : [name, change];
    }
    for (const [name, change] of this.#changes?.names ?? []) {
      if (names.key(changedEntry(name, 0)).equals(wanted.key)) return [name, change];
    }
    return undefined;
  }

  #added(names: DirectoryNames, known: ReadonlySet<string>): DirectoryItem[] {
    const added: DirectoryItem[] = [];
    for (const [name, change] of this.#changes?.names ?? []) {
      if (change.added !== undefined && !known.has(name)) added.push(itemOf(changedEntry(name, change.added), names));
    }
    return added;
  }

  async #ownNames(): Promise<DirectoryNames> {
    if (this.#names !== undefined) return this.#names;
    const isEncrypted = (this.#inode.flags & FLAG.ENCRYPT) !== 0;
    return (this.#names = namesOf(this.#inode, isEncrypted ? await this.#listingRules() : undefined));
  }

  /** The kernel hashes the names of what has an index, or is so small that it needs none, as is_dx_dir() has it. */
  async #listingRules(): Promise<HashRules | undefined> {
    if ((this.#superblock.compat & COMPAT.DIR_INDEX) === 0) return undefined;
    if ((this.#inode.flags & FLAG.INDEX) === 0) {
      return this.#blocks.count === 1 ? this.#hashRules(this.#superblock.hashVersion) : undefined;
    }
    const root = parseRoot(await this.#blocks.raw(0), this.#indexAccess());
    return root === undefined ? undefined : this.#hashRules(root.hashVersion);
  }

  #isIndexed(): boolean {
    const hasIndex = (this.#superblock.compat & COMPAT.DIR_INDEX) !== 0 && (this.#inode.flags & FLAG.INDEX) !== 0;
    return hasIndex && !hasInlineData(this.#inode);
  }

  #hashRules(version: number): HashRules {
    const { hashSeed: seed, hashUnsigned } = this.#superblock;
    return { seed, version: hashUnsigned && version < SIGNED_KINDS ? version + SIGNED_KINDS : version };
  }

  #indexAccess(): IndexAccess {
    return {
      block: (number) => this.#blocks.raw(number),
      checksumSeed: this.#blocks.checksumSeed,
      blocks: this.#blocks.count,
      maxLevels: (this.#superblock.incompat & INCOMPAT.LARGEDIR) === 0 ? 1 : 2,
    };
  }

  #broken(number: number): Error {
    return damaged(`block ${number} of directory ${this.#inode.number} is broken`);
  }
}

function itemOf(entry: StoredEntry, names: DirectoryNames): DirectoryItem {
  const { inode: id, type } = entry;
  const name = names.show(entry);
  return type === undefined ? { name, id } : { name, id, type };
}

function changedEntry(name: string, inode: number): StoredEntry {
  return { inode, name: Buffer.from(name, 'latin1'), type: undefined, hash: undefined };
}
