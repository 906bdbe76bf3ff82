import { Refusal } from './errno.js';
import type { OpenFile } from './filtered-files.js';
import type { ViewFile } from './view/view-file.js';

/** fuse-native passes file handles as signed 32-bit numbers and takes 0 for none. */
const MAX_HANDLE = 2 ** 31 - 1;
const MAX_OPEN = 65_536;

export type Opened = OpenFile | { readonly viewed: ViewFile };

/** What programs have open in the mount, by the handle that the kernel knows it by. */
export class Handles {
  readonly #opened = new Map<number, Opened>();
  #last = 0;

  get size(): number {
    return this.#opened.size;
  }

  /** @throws {Refusal} ENFILE */
  add(opened: Opened): number {
    if (this.#opened.size >= MAX_OPEN) throw new Refusal('ENFILE');
    do {
      this.#last = this.#last >= MAX_HANDLE ? 1 : this.#last + 1;
    } while (this.#opened.has(this.#last));
    this.#opened.set(this.#last, opened);
    return this.#last;
  }

  /** @throws {Refusal} EBADF */
  get(handle: number): Opened {
    const opened = this.#opened.get(handle);
    if (opened === undefined) throw new Refusal('EBADF');
    return opened;
  }

  /** @throws {Refusal} EBADF; EROFS for a file of a view */
  live(handle: number): OpenFile {
    const opened = this.get(handle);
    if ('viewed' in opened) throw new Refusal('EROFS');
    return opened;
  }

  /** What it was is to be closed. */
  remove(handle: number): Opened | undefined {
    const opened = this.#opened.get(handle);
    this.#opened.delete(handle);
    return opened;
  }

  /** What the kernel did not say was closed when the mount ended. */
  removeAll(): readonly Opened[] {
    const all = [...this.#opened.values()];
    this.#opened.clear();
    return all;
  }
}
