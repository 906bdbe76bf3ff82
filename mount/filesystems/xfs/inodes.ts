import type { FileId } from '../filesystem.js';
import { damaged } from './damaged.js';
import { type Inode, parseInode } from './inode.js';
import { Lru } from '../lru.js';
import type { Metadata } from './metadata.js';

/** Inodes kept: 512 to 2,048 bytes each. */
const KEPT = 192;

/** Finds inodes by their numbers, which say where they stand. */
export class Inodes {
  readonly #metadata: Metadata;
  readonly #kept = new Lru<number, Inode>(KEPT);

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
  }

  /**
   * At once if it is in memory.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when there is no such inode, or it makes no sense; STORE_DAMAGED
   */
  get(id: FileId): Inode | Promise<Inode> {
    const number = Number(id);
    const kept = this.#kept.get(number);
    if (kept !== undefined) return kept;
    if (!Number.isSafeInteger(number)) throw damaged(`there is no inode ${id}`);
    const { superblock } = this.#metadata.geometry;
    const bytes = this.#metadata.bytes(this.#metadata.geometry.inodeOffset(number), superblock.inodeBytes);
    if (bytes instanceof Promise) return bytes.then((read) => this.#keep(read, number));
    return this.#keep(bytes, number);
  }

  #keep(bytes: Buffer, number: number): Inode {
    return this.#kept.set(number, parseInode(bytes, number, this.#metadata.geometry.superblock));
  }
}
