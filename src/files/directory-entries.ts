import { randomBytes } from 'node:crypto';
import type { DirectoryItem, FileId, Filesystem } from '../../mount/filesystems/filesystem.js';
import { KeyedHash } from './keyed-hash.js';

/** A directory is compared in parts of so many entries, some 150 bytes each on either side. */
const MAX_ENTRIES = 50_000;
const KEY_BYTES = 8;

/** Some of the entries of a directory: those whose names fall into part `index` of `count`. */
export interface DirectoryPart {
  readonly index: number;
  readonly count: number;
}

export const WHOLE_DIRECTORY: DirectoryPart = { index: 0, count: 1 };

/** The entries by name, or how many there are if those are too many for one part. */
export type DirectoryEntries = ReadonlyMap<string, DirectoryItem> | number;

/**
 * Reads directories of any size in bounded memory: one of too many entries in several passes, each of which keeps those
 * whose names have a certain hash. Names are the guest's choice, so the hash has a secret key.
 */
export class DirectoryReader {
  readonly #hash = new KeyedHash(randomBytes(KEY_BYTES));
  readonly #most: number;

  /** @param most entries that are kept of the whole of a directory */
  constructor(most = MAX_ENTRIES) {
    this.#most = most;
  }

  /** The parts of a directory of so many entries. */
  parts(entries: number): DirectoryPart[] {
    const count = Math.max(1, Math.ceil(entries / this.#most));
    return Array.from({ length: count }, (_, index) => ({ index, count }));
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED */
  async read(filesystem: Filesystem, id: FileId, part: DirectoryPart): Promise<DirectoryEntries> {
    const items = new Map<string, DirectoryItem>();
    let count = 0;
    for await (const batch of filesystem.readDirectory(id)) {
      for (const item of batch) {
        if (part.count > 1) {
          if (this.#partOf(item.name, part.count) === part.index) items.set(item.name, item);
        } else if (++count <= this.#most) items.set(item.name, item);
        else items.clear();
      }
    }
    return count > this.#most ? count : items;
  }

  #partOf(name: string, parts: number): number {
    const bytes = Buffer.from(name);
    return (this.#hash.of(bytes, bytes.length) >>> 0) % parts;
  }
}
