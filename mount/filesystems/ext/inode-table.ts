import type { MetadataReader } from '../../blocks/block-cache.js';
import { damaged } from './errors.js';
import type { FastCommitChanges } from './fast-commit-changes.js';
import type { GroupTable } from './group-table.js';
import { FLAG, type Inode, parseInode } from './inode.js';
import { Lru } from '../lru.js';
import type { Superblock } from './superblock.js';

/** The top directory. */
export const ROOT_INODE = 2;

const CACHED_INODES = 512;

/** Inodes by their numbers; the last used ones are kept. */
export class InodeTable {
  readonly #superblock: Superblock;
  readonly #reader: MetadataReader;
  readonly #groups: GroupTable;
  readonly #changes: FastCommitChanges | undefined;
  readonly #inodes = new Lru<number, Inode>(CACHED_INODES);

  constructor(superblock: Superblock, reader: MetadataReader, groups: GroupTable, changes?: FastCommitChanges) {
    this.#superblock = superblock;
    this.#reader = reader;
    this.#groups = groups;
    this.#changes = changes;
  }

  /**
   * The inode of a file; at once if it is in memory.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when a directory cannot name it, it is not in use, or makes no sense
   */
  get(number: number): Inode | Promise<Inode> {
    const known = this.#inodes.get(number);
    if (known !== undefined) return known;
    if (number !== ROOT_INODE && !(number >= this.#superblock.firstInode)) throw damaged(`no file has inode ${number}`);
    const inode = this.special(number);
    return inode instanceof Promise ? inode.then((loaded) => this.#keep(loaded)) : this.#keep(inode);
  }

  /** Any inode, also those that belong to no file: the journal's, those of large attributes. */
  special(number: number): Inode | Promise<Inode> {
    const bytes = this.bytes(number);
    const parse = (loaded: Buffer): Inode => parseInode(this.#superblock, number, Buffer.from(loaded));
    return bytes instanceof Promise ? bytes.then(parse) : parse(bytes);
  }

  /** An inode as it is stored. */
  bytes(number: number): Buffer | Promise<Buffer> {
    const changed = this.#changes?.inode(number);
    if (changed !== undefined) return changed;
    const { inodesCount, inodesPerGroup } = this.#superblock;
    if (!(number >= 1 && number <= inodesCount)) throw damaged(`there is no inode ${number}`);
    const index = (number - 1) % inodesPerGroup;
    const table = this.#groups.inodeTable(Math.floor((number - 1) / inodesPerGroup));
    if (table instanceof Promise) return table.then((block) => this.#read(block, index));
    return this.#read(table, index);
  }

  #read(tableBlock: number, index: number): Buffer | Promise<Buffer> {
    const { blockBytes, inodeBytes } = this.#superblock;
    return this.#reader.get(tableBlock * blockBytes + index * inodeBytes, inodeBytes);
  }

  #keep(inode: Inode): Inode {
    const holdsAttribute = inode.type === 'file' && (inode.flags & FLAG.EA_INODE) !== 0;
    if (holdsAttribute) throw damaged(`inode ${inode.number} holds an attribute, it is no file`);
    this.#inodes.set(inode.number, inode);
    return inode;
  }
}
