import type { BigIntStats } from 'node:fs';
import type { FileId } from '../../mount/filesystems/filesystem.js';

/** A file that was copied and has more names in the guest. */
export interface CopiedFile {
  /** From the directory that everything is copied to. */
  readonly names: readonly Buffer[];
  readonly dev: bigint;
  readonly ino: bigint;
}

/** More files with several names than this are copied once for each name. */
const MAX_FILES = 200_000;

/** Where files with several names were copied to, until all their names are there. */
export class LinkTable {
  readonly #files = new Map<FileId, CopiedFile & { left: number }>();

  add(id: FileId, nlink: number, names: readonly Buffer[], stat: BigIntStats | undefined): void {
    if (stat === undefined || this.#files.size >= MAX_FILES) return;
    this.#files.set(id, { names, dev: stat.dev, ino: stat.ino, left: nlink - 1 });
  }

  /** The copy of a file of which one more name was found. */
  find(id: FileId): CopiedFile | undefined {
    const file = this.#files.get(id);
    if (file === undefined) return undefined;
    file.left--;
    if (file.left <= 0) this.#files.delete(id);
    return file;
  }
}
