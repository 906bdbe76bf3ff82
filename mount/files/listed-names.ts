import type { DirectoryItem, FileId } from '../filesystems/filesystem.js';

/** Names remembered in all, about 100 bytes each. */
const MAX_NAMES = 128 * 1024;

/** By name; undefined for one that is there twice, of which only the directory knows which is meant. */
type Names = Map<string, FileId | undefined>;

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
      walk: (directory, name) => walkFrom(this.#use(`${prefix}${directory}`), name),
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
      if (!names.has(name)) this.#names++;
      else if (names.get(name) === id) continue;
      // In a damaged directory a name can be there twice.
      names.set(name, names.has(name) ? undefined : id);
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
    for (const [key, names] of this.#directories) {
      if (this.#names <= this.#maxNames || key === current) return;
      this.#directories.delete(key);
      this.#names -= names.size;
      // Who walks through them must not keep them in memory.
      names.clear();
    }
  }
}

function walkFrom(
  names: Names | undefined,
  name: string,
): Iterator<readonly [string, FileId | undefined], undefined> | undefined {
  const walk = names?.entries();
  return walk?.next().value?.[0] === name ? walk : undefined;
}

/** The names of one file system. */
export interface FilesystemNames {
  /** Take note of a part of a directory's list. */
  add(directory: FileId, items: readonly DirectoryItem[]): void;
  /** The file of that (escaped) name; undefined when it is not known here. */
  find(directory: FileId, name: string): FileId | undefined;
  /** What a list said after its first name, in its order; undefined when that is not `name`. */
  walk(directory: FileId, name: string): Iterator<readonly [string, FileId | undefined], undefined> | undefined;
}
