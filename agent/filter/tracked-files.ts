import type { BigIntStats } from 'node:fs';
import type { ViewFile } from './view/view-file.js';

/** A regular file of the directory that somebody has open, or that a checkpoint has. */
export interface TrackedFile {
  /** Device and inode number. */
  readonly key: string;
  /** The change log's number, when a checkpoint has it. */
  id: number | undefined;
  /** Nobody else changes it, so it is known without asking. */
  sizeBytes: number;
  /** How many handles it is open with. */
  handles: number;
  /** What must be told before it changes. */
  readonly views: Set<ViewFile>;
}

export function keyOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

export class TrackedFiles {
  readonly #files = new Map<string, TrackedFile>();
  readonly #idOf: (key: string) => number | undefined;

  constructor(idOf: (key: string) => number | undefined) {
    this.#idOf = idOf;
  }

  get(stats: Pick<BigIntStats, 'dev' | 'ino' | 'size'>): TrackedFile {
    const key = keyOf(stats);
    let file = this.#files.get(key);
    if (file === undefined) {
      file = { key, id: this.#idOf(key), sizeBytes: Number(stats.size), handles: 0, views: new Set() };
      this.#files.set(key, file);
    }
    return file;
  }

  /** Forget it when nobody needs it. */
  release(file: TrackedFile): void {
    if (file.handles === 0 && file.views.size === 0) this.#files.delete(file.key);
  }

  /** The log has other numbers now. */
  renumber(): void {
    for (const file of this.#files.values()) file.id = this.#idOf(file.key);
  }
}
