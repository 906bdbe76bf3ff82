import { open, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';

import type { Clock } from '../common/clock.js';
import { isUmbraError, systemCode } from '../common/errors.js';
import { allocate } from '../system/sparse-file.js';

const MOST_BYTES = 128 * 1024 * 1024;
/** Less is of no use: opening a database writes what its log holds, up to 16 MiB in `objects` and 8 MiB in `meta`, once more. */
const LEAST_BYTES = 48 * 1024 * 1024;
/** Between these bounds, the reserve is this part of the file system. */
const PART = 32;
/** With so much free, a reserve would only take room: no backup fills a disk that fast. */
const PLENTY_BYTES = 8 * 1024 * 1024 * 1024;
/** How often a store that is open looks at its disk. */
const WATCH_MS = 2_000;

/** The file system that a store is on, in bytes. */
export interface DiskFigures {
  readonly sizeBytes: number;
  /** For who is not root. */
  readonly freeBytes: number;
  /** What the reserve takes; 0 where there is none. */
  readonly reserveBytes: number;
}

/**
 * A file that only takes room, so that there is some for deleting and compacting when the disk is full:
 * LevelDB needs disk space to give disk space back.
 */
export class Reserve {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get #file(): string {
    return path.join(this.#directory, 'reserve');
  }

  /** Make the reserve where there is room for several times its size, and give it up where there is plenty. */
  async fill(): Promise<void> {
    const { bytes, freeBytes } = await this.#sizes();
    if (freeBytes >= PLENTY_BYTES) await rm(this.#file, { force: true });
    else if (freeBytes >= 4 * bytes) await this.#allocate(bytes);
  }

  /** How full the disk is. @throws the system's error */
  async disk(): Promise<DiskFigures> {
    const { bsize, blocks, bavail } = await statfs(this.#directory);
    const reserve = await stat(this.#file).catch(() => undefined);
    return { sizeBytes: blocks * bsize, freeBytes: bavail * bsize, reserveBytes: reserve?.size ?? 0 };
  }

  /** Look at the disk every few seconds, so that the reserve is there before the disk is full. @returns ends it */
  watch(clock: Clock): () => void {
    let cancel = nothing;
    const look = (): void => {
      // What can't be looked at now is looked at the next time.
      void this.fill().catch(nothing).finally(arm);
    };
    const arm = (): void => {
      if (cancel !== ended) cancel = clock.after(WATCH_MS, look);
    };
    arm();
    return () => {
      cancel();
      cancel = ended;
    };
  }

  /** Do `task`; if the disk is full, give the reserve up, do it once more, and take back of the reserve what it left. */
  async spend<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      if (!isUmbraError(error, 'STORE_FULL')) throw error;
    }
    await rm(this.#file, { force: true });
    try {
      return await task();
    } finally {
      await this.#takeBack();
    }
  }

  /** Otherwise the next backup would take it, and nothing could be deleted any more. */
  async #takeBack(): Promise<void> {
    const { bytes, freeBytes } = await this.#sizes();
    await this.#allocate(Math.min(bytes, freeBytes));
  }

  async #sizes(): Promise<{ readonly bytes: number; readonly freeBytes: number }> {
    const { bsize, blocks, bavail } = await statfs(this.#directory);
    const bytes = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, Math.floor((blocks * bsize) / PART)));
    return { bytes, freeBytes: bavail * bsize };
  }

  async #allocate(bytes: number): Promise<void> {
    if (bytes === 0) return;
    try {
      const handle = await open(this.#file, 'a', 0o600);
      try {
        if ((await handle.stat()).size < bytes) allocate(handle.fd, 0, bytes);
      } finally {
        await handle.close();
      }
    } catch (error) {
      // A file system that can't reserve, or is full after all: there is no reserve, and nothing else is wrong.
      if (!['EOPNOTSUPP', 'ENOSYS', 'ENOSPC'].includes(systemCode(error) ?? '')) throw error;
    }
  }
}

function nothing(): void {
  // There is no timer to cancel yet.
}

function ended(): void {
  // The watch is over.
}
