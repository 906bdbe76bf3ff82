import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

let made = 0;

/** Room for what a view keeps of blocks that were overwritten: bounded, and gone when the process is. */
export class SideSpace {
  readonly #directory: string;
  readonly #limitBytes: number;
  #usedBytes = 0;
  #broken: string | undefined;

  constructor(directory: string, limitBytes: number) {
    this.#directory = directory;
    this.#limitBytes = limitBytes;
  }

  /** Why the view is lost. Writes pass without copies from then on. */
  get broken(): string | undefined {
    return this.#broken;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  break(reason: string): void {
    this.#broken ??= reason;
  }

  /** @returns false, and the view is lost, when there is no room for so much */
  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limitBytes) {
      this.break(`more than ${this.#limitBytes} bytes were overwritten while it was read`);
      return false;
    }
    this.#usedBytes += bytes;
    return true;
  }

  /** A file without a name. */
  async file(): Promise<FileHandle> {
    const path = join(this.#directory, `side-${process.pid}-${++made}`);
    const handle = await open(path, 'wx+', 0o600);
    await rm(path);
    return handle;
  }
}
