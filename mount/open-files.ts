import { after, type Eventually } from '../src/common/eventually.js';
import type { OpenFile } from './node.js';
import { TreeError } from './tree-error.js';

/** fuse-native passes file handles as signed 32-bit numbers and takes 0 for none. */
const MAX_HANDLE = 2 ** 31 - 1;
const MAX_OPEN = 65_536;

/** The files that programs have open in one mount, by the handle that the kernel knows them by. */
export class OpenFiles {
  readonly #files = new Map<number, OpenFile>();
  #last = 0;

  get size(): number {
    return this.#files.size;
  }

  /** @throws {TreeError} ENFILE, with the file closed again */
  add(file: OpenFile, path: string): Eventually<number> {
    if (this.#files.size >= MAX_OPEN) {
      return after(file.close(), () => {
        throw new TreeError('ENFILE', path);
      });
    }
    do {
      this.#last = this.#last >= MAX_HANDLE ? 1 : this.#last + 1;
    } while (this.#files.has(this.#last));
    this.#files.set(this.#last, file);
    return this.#last;
  }

  get(handle: number): OpenFile | undefined {
    return this.#files.get(handle);
  }

  close(handle: number): Eventually<void> {
    const file = this.#files.get(handle);
    this.#files.delete(handle);
    return file?.close();
  }

  /** What is still open when the mount has ended, since the kernel does not say so for each file. */
  async closeAll(): Promise<void> {
    await Promise.allSettled([...this.#files.keys()].map(async (handle) => this.close(handle)));
  }
}
