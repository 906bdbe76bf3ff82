import { after, type Eventually } from '../../src/common/eventually.js';
import type { FileId, FileStat, Filesystem } from '../filesystems/filesystem.js';
import { isEntryName, MAX_GUEST_NAME } from '../node.js';
import { Lru } from '../filesystems/lru.js';
import { TreeError } from '../tree-error.js';
import { ListWalks } from './list-walk.js';
import type { FilesystemNames } from './listed-names.js';

/** Directories and files remembered for each file system, at most. */
const MAX_DIRECTORIES = 1024;
const MAX_FILES = 256;

/** A file as a path led to it. */
export interface FoundFile {
  readonly id: FileId;
  readonly stat: FileStat;
}

/**
 * Finds files of a guest by path. FUSE names every file by its whole path, in each of the requests that a program's look
 * at it takes; so the directories that were used last are remembered by their paths, and the last files with their stat:
 * what a look costs does not depend on how deep the file lies. Paths are relative to the file system's top, which is ''.
 * Links are not followed.
 */
export class GuestPaths {
  readonly #filesystem: Filesystem;
  readonly #names: FilesystemNames;
  readonly #directories = new Lru<string, FileId>(MAX_DIRECTORIES);
  readonly #files = new Lru<string, FoundFile>(MAX_FILES);
  readonly #walks: ListWalks;

  constructor(filesystem: Filesystem, names: FilesystemNames) {
    this.#filesystem = filesystem;
    this.#names = names;
    this.#walks = new ListWalks(names, (path, id) => this.#look(path, id));
  }

  /**
   * Undefined when there is no such file; at once if all that it takes is in memory.
   * @throws {TreeError} ENOTDIR when something on the way is no directory
   * @throws {UmbraError} what the file system throws
   */
  find(path: string): Eventually<FoundFile | undefined> {
    const isNext = this.#walks.cameTo(path);
    return this.#files.get(path) ?? this.#find(path, isNext);
  }

  /** The file that is likely to be asked for after the one at `path`, if it is in memory. */
  next(path: string): FoundFile | undefined {
    const next = this.#walks.nextOf(path);
    return next === undefined ? undefined : this.#files.get(next);
  }

  #find(path: string, isNext: boolean): Eventually<FoundFile | undefined> {
    if (path === '') return this.#look(path, this.#filesystem.root);
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? '' : path.slice(0, slash);
    return after(this.#directories.get(parent) ?? this.#directory(parent), (directory) => {
      if (directory === undefined) return undefined;
      const name = path.slice(slash + 1);
      return after(this.#lookup(directory, name), (id) => {
        if (id === undefined) return undefined;
        if (!isNext) this.#walks.began(directory, path.slice(0, slash + 1), name);
        return this.#look(path, id);
      });
    });
  }

  #look(path: string, id: FileId): Eventually<FoundFile> {
    return after(this.#filesystem.stat(id), (stat) => {
      const found = { id, stat };
      if (stat.type === 'directory') this.#directories.set(path, id);
      return this.#files.set(path, found);
    });
  }

  /** The directory at `path`: from the longest part of the path that is known, down. */
  async #directory(path: string): Promise<FileId | undefined> {
    let end = path.length;
    let id: FileId | undefined;
    while (end > 0 && id === undefined) {
      end = Math.max(0, path.lastIndexOf('/', end - 1));
      id = this.#directories.get(path.slice(0, end));
    }
    id ??= this.#filesystem.root;
    while (end < path.length) {
      const start = end === 0 ? 0 : end + 1;
      const slash = path.indexOf('/', start);
      end = slash < 0 ? path.length : slash;
      const child = await this.#lookup(id, path.slice(start, end));
      if (child === undefined) return undefined;
      const { stat } = await this.#look(path.slice(0, end), child);
      if (stat.type !== 'directory') throw new TreeError('ENOTDIR', path);
      id = child;
    }
    return id;
  }

  #lookup(directory: FileId, name: string): Eventually<FileId | undefined> {
    const listed = this.#names.find(directory, name);
    if (listed !== undefined) return listed;
    return isEntryName(name, MAX_GUEST_NAME)
      ? this.#filesystem.lookup(directory, name).then((item) => item?.id)
      : undefined;
  }
}
