import { isUmbraError, type UmbraError } from '../../../src/common/errors.js';
import type { FileId } from '../filesystem.js';
import { Lru } from '../lru.js';
import { type NameIndex, NameIndexBuilder } from './name-index.js';

/** What is kept of an entry of a directory. */
export interface IndexedEntry {
  /** By which it is found, folded. */
  readonly keys: readonly string[];
  readonly slot: number;
  readonly isDirectory: boolean;
}

/** What a look at all of a directory tells. */
export interface DirectoryFacts {
  readonly index: NameIndex;
  readonly subdirectories: number;
  /** Why the end of it could not be read. */
  readonly damage: UmbraError | undefined;
}

const MAX_BYTES = 512 * 1024;
/** What one takes beside its index. */
const BASE_BYTES = 512;

/** The directories that were used last. */
export class DirectoryCache {
  readonly #facts = new Lru<FileId, DirectoryFacts>(MAX_BYTES, ({ index }) => BASE_BYTES + index.byteLength);
  readonly #pending = new Map<FileId, Promise<DirectoryFacts>>();

  /**
   * What is known of the directory `id`, whose entries `scan` gives; at once if it is kept.
   * @throws {UmbraError} STORE_DAMAGED and what else `scan` throws but FILESYSTEM_DAMAGED
   */
  get(id: FileId, scan: () => AsyncIterable<readonly IndexedEntry[]>): DirectoryFacts | Promise<DirectoryFacts> {
    const known = this.#facts.get(id) ?? this.#pending.get(id);
    if (known !== undefined) return known;
    const look = this.#look(id, scan).finally(() => this.#pending.delete(id));
    this.#pending.set(id, look);
    return look;
  }

  async #look(id: FileId, scan: () => AsyncIterable<readonly IndexedEntry[]>): Promise<DirectoryFacts> {
    const builder = new NameIndexBuilder();
    let subdirectories = 0;
    let damage: UmbraError | undefined;
    try {
      for await (const entries of scan()) {
        for (const { keys, slot, isDirectory } of entries) {
          if (isDirectory) subdirectories += 1;
          for (const key of keys) builder.add(key, slot);
        }
      }
    } catch (error) {
      if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
      damage = error;
    }
    return this.#facts.set(id, { index: builder.build(), subdirectories, damage });
  }
}
