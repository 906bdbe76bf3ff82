import type { FileId } from '../../mount/filesystems/filesystem.js';
import { PathTable } from './path-table.js';

/** A version of a file that goes on, from one generation of its device to another. */
export interface Run {
  /** In the last generation. */
  readonly id: FileId;
  readonly first: number;
  readonly last: number;
}

/** Of a path that has no run now. */
const NONE = -1;
/** Three columns, and what a number of more than 64 bits takes. */
const RUN_BYTES = 48;
/** So many are sorted, in some tenths of a second in which nothing else is done. */
const MAX_SORTED = 50_000;

/** The runs of files by path, in little memory: what a file is like is asked of its file system again. */
export class RunTable {
  #paths = new PathTable();
  #ids: FileId[] = [];
  #first: number[] = [];
  #last: number[] = [];
  #live = 0;

  /** How many runs there are. */
  get size(): number {
    return this.#live;
  }

  /** Memory that it takes, about. */
  get bytes(): number {
    return this.#paths.bytes + this.#ids.length * RUN_BYTES;
  }

  get(path: string): Run | undefined {
    const index = this.#paths.find(path);
    return index === undefined ? undefined : this.#run(index);
  }

  set(path: string, { id, first, last }: Run): void {
    const index = this.#paths.add(path);
    if ((this.#last[index] ?? NONE) === NONE) this.#live++;
    this.#ids[index] = id;
    this.#first[index] = first;
    this.#last[index] = last;
  }

  /**
   * Take out all runs that ended before a generation: sorted by path if they are not too many, else in the order in which
   * their paths were first seen.
   */
  *takeBefore(generation: number): Generator<{ readonly path: string; readonly run: Run }> {
    const ended: number[] = [];
    this.#last.forEach((last, index) => {
      if (last !== NONE && last < generation) ended.push(index);
    });
    if (ended.length <= MAX_SORTED) ended.sort((a, b) => this.#paths.compare(a, b));
    for (const index of ended) {
      const run = this.#run(index);
      if (run === undefined) continue;
      this.#last[index] = NONE;
      this.#live--;
      yield { path: this.#paths.path(index), run };
    }
    if (this.#live * 2 < this.#last.length) this.#compact();
  }

  #run(index: number): Run | undefined {
    const [id, first, last] = [this.#ids[index], this.#first[index], this.#last[index]];
    if (id === undefined || first === undefined || last === undefined || last === NONE) return undefined;
    return { id, first, last };
  }

  /** Forget the paths that have no run any more. */
  #compact(): void {
    const kept = new RunTable();
    for (let index = 0; index < this.#last.length; index++) {
      const run = this.#run(index);
      if (run !== undefined) kept.set(this.#paths.path(index), run);
    }
    this.#paths = kept.#paths;
    this.#ids = kept.#ids;
    this.#first = kept.#first;
    this.#last = kept.#last;
  }
}
