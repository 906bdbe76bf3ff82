import type { DirectoryItem, FileId } from '../filesystems/filesystem.js';

/** Names remembered in all, about 100 bytes each. */
const MAX_NAMES = 128 * 1024;

type Names = Map<string, FileId>;

/**
 * What the directories that were listed last said of their names. Programs look at a file right after they found it in
 * a list (`ls -l`, `find`, `cp -r`): looking it up in its directory would take longer than all the rest. File systems
 * never change, so what a list says stays true; what is not here may be there all the same.
 */
export class ListedNames {
  /** By owner and directory, in the order of their last list or look-up, the latest last. */
  readonly #directories = new Map<string, Names>();
  readonly #maxNames: number;
  #owners = 0;
  #names = 0;
  #lastKey = '';
  #last: Names | undefined;

  constructor(maxNames = MAX_NAMES) {
    this.#maxNames = maxNames;
  }

  /** How many names are remembered. */
  get size(): number {
    return this.#names;
  }

  /** A part of it for one file system. */
  forFilesystem(): FilesystemNames {
    const prefix = `${++this.#owners}:`;
    return {
      add: (directory, items) => {
        this.#add(`${prefix}${directory}`, items);
      },
      find: (directory, name) => this.#use(`${prefix}${directory}`)?.get(name),
    };
  }

  #add(key: string, items: readonly DirectoryItem[]): void {
    let names = this.#use(key);
    if (names === undefined) {
      names = new Map();
      this.#directories.set(key, names);
      this.#last = names;
    }
    for (const { name, id } of items) {
      // Of a very large directory the first names are kept: they are looked at first.
      if (names.size >= this.#maxNames) break;
      // In a damaged directory a name can be there twice: a look-up finds the first.
      if (names.has(name)) continue;
      names.set(name, id);
      this.#names++;
    }
    this.#trim(key);
  }

  #use(key: string): Names | undefined {
    if (key === this.#lastKey) return this.#last;
    const names = this.#directories.get(key);
    if (names !== undefined) {
      this.#directories.delete(key);
      this.#directories.set(key, names);
    }
    this.#lastKey = key;
    this.#last = names;
    return names;
  }

  #trim(current: string): void {
    for (const [key, { size }] of this.#directories) {
      if (this.#names <= this.#maxNames || key === current) return;
      this.#directories.delete(key);
      this.#names -= size;
    }
  }
}

/** The names of one file system. */
export interface FilesystemNames {
  /** Take note of a part of a directory's list. */
  add(directory: FileId, items: readonly DirectoryItem[]): void;
  /** The file of that (escaped) name; undefined when it is not known here. */
  find(directory: FileId, name: string): FileId | undefined;
}
