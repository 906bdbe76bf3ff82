import { after, type Eventually, orUndo, soon } from '../../src/common/eventually.js';
import type { FileId, FileReader, Filesystem } from '../filesystems/filesystem.js';

/** A larger file is not read whole. */
const MAX_BYTES = 64 * 1024;
/** Contents that are kept. */
const MAX_FILES = 2;

interface Ready {
  readonly id: FileId;
  readonly file: Eventually<ReadFile>;
}

/**
 * Opens the files of a file system. Small ones that are likely to be opened next can be read before: a program that reads many of
 * them waits for none then.
 */
export class ContentAhead {
  readonly #filesystem: Filesystem;
  /** The latest last. */
  #ready: Ready[] = [];

  constructor(filesystem: Filesystem) {
    this.#filesystem = filesystem;
  }

  /** See Filesystem.open. */
  open(id: FileId): Eventually<FileReader> {
    return this.#ready.find((ready) => ready.id === id)?.file ?? this.#filesystem.open(id);
  }

  /**
   * Have a file ready, unless it is too large.
   * @throws {UmbraError} see Filesystem.open
   */
  prepare(id: FileId, sizeBytes: number): Eventually<void> {
    if (sizeBytes > MAX_BYTES || this.#ready.some((ready) => ready.id === id)) return undefined;
    const ready = { id, file: after(this.#filesystem.open(id), (file) => new ReadFile(file)) };
    this.#ready.push(ready);
    const oldest = this.#ready.length > MAX_FILES ? this.#ready.shift() : undefined;
    if (oldest !== undefined) {
      soon(() =>
        after(oldest.file, (file) => {
          file.letGo();
        }),
      );
    }
    return orUndo(
      () => after(ready.file, (file) => (this.#ready.includes(ready) ? file.load() : undefined)),
      () => {
        this.#ready = this.#ready.filter((other) => other !== ready);
      },
    );
  }
}

/** A file that is read whole; who asks for what is not there yet waits for it. */
class ReadFile implements FileReader {
  readonly #file: FileReader;
  /** Undefined when the file itself must be asked. */
  #bytes: Uint8Array | Promise<void> | undefined;

  constructor(file: FileReader) {
    this.#file = file;
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  /** Read it, unless it is larger than it looked. Who reads it later gets the errors. */
  load(): Eventually<void> {
    if (this.#file.sizeBytes > MAX_BYTES) return undefined;
    const bytes = Buffer.allocUnsafe(this.#file.sizeBytes);
    const read = this.#file.read(bytes, 0);
    if (!(read instanceof Promise)) {
      this.#bytes = bytes.subarray(0, read);
      return undefined;
    }
    const loading = read.then(
      (count) => {
        if (this.#bytes === loading) this.#bytes = bytes.subarray(0, count);
      },
      () => {
        if (this.#bytes === loading) this.#bytes = undefined;
      },
    );
    this.#bytes = loading;
    return loading;
  }

  /** Keep nothing in memory. */
  letGo(): void {
    this.#bytes = undefined;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const bytes = this.#bytes;
    if (bytes === undefined) return this.#file.read(target, offset);
    if (bytes instanceof Promise) return bytes.then(() => this.read(target, offset));
    const part = bytes.subarray(offset, offset + target.length);
    target.set(part);
    return part.length;
  }
}
