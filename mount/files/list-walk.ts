import { type Eventually, soon } from '../../src/common/eventually.js';
import type { FileId } from '../filesystems/filesystem.js';
import { Lru } from '../filesystems/lru.js';
import type { FilesystemNames } from './listed-names.js';

/** Directories that are walked through at the same time: one for each program, and those above it. */
const MAX_WALKS = 8;

interface Walk {
  /** Of the directory, with a slash at the end unless it is the top. */
  readonly prefix: string;
  readonly names: Iterator<readonly [string, FileId | undefined], undefined>;
}

/**
 * Programs go through a directory in the order of its list (`ls -l`, `find`, `tar`, `cp -r`). Who looks at the first name of a list
 * is taken to go on: while the program is busy with one file, the next is looked at already, and what the next request needs is
 * in memory when it comes.
 */
export class ListWalks {
  readonly #names: FilesystemNames;
  readonly #look: (path: string, id: FileId) => Eventually<unknown>;
  /** By the path that each comes to next. */
  readonly #walks = new Lru<string, Walk>(MAX_WALKS);
  #current = '';
  #next: string | undefined;

  /** @param look has the file ready for when it is asked for; its errors are nobody's */
  constructor(names: FilesystemNames, look: (path: string, id: FileId) => Eventually<unknown>) {
    this.#names = names;
    this.#look = look;
  }

  /** A program looks at `path`; true if it was the next one of a walk. */
  cameTo(path: string): boolean {
    const walk = this.#walks.take(path);
    if (walk === undefined) return false;
    this.#goOn(path, walk);
    return true;
  }

  /** A program looks at `name` in `directory`, which begins with `prefix`, and no walk came to it. */
  began(directory: FileId, prefix: string, name: string): void {
    const names = this.#names.walk(directory, name);
    if (names !== undefined) this.#goOn(prefix + name, { prefix, names });
  }

  /** The path after `path`, if that is where a walk came to last. */
  nextOf(path: string): string | undefined {
    return path === this.#current ? this.#next : undefined;
  }

  #goOn(path: string, walk: Walk): void {
    this.#current = path;
    this.#next = undefined;
    const step = walk.names.next();
    if (step.done === true) return;
    const [name, id] = step.value;
    if (id === undefined) return;
    const next = walk.prefix + name;
    this.#next = next;
    this.#walks.set(next, walk);
    soon(() => this.#look(next, id));
  }
}
