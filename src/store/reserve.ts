import { open, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';

import type { Clock } from '../common/clock.js';
import { isUmbraError, systemCode } from '../common/errors.js';
import { allocate } from '../system/sparse-file.js';

/**
 * LevelDB compacts in steps of 64 MiB of one level and what overlaps with them in the next, which are the two tables at their ends, as keys ascend:
 * 192 MiB are written before as much is deleted, beside a log of 16 MiB that becomes a table.
 */
const MOST_BYTES = 256 * 1024 * 1024;
/** Less is of no use: opening a database writes what its log holds, up to 16 MiB in `objects` and 8 MiB in `meta`, once more. */
const LEAST_BYTES = 48 * 1024 * 1024;
/** Between these bounds, the reserve is this part of the file system. */
const PART = 8;
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
  /** Files that can still be made, of so many; 0 of 0 where the file system does not count them. */
  readonly freeFiles: number;
  readonly files: number;
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
    const { bsize, blocks, bavail, files, ffree } = await statfs(this.#directory);
    const reserve = await stat(this.#file).catch(() => undefined);
    const bytes = { sizeBytes: blocks * bsize, freeBytes: bavail * bsize, reserveBytes: reserve?.size ?? 0 };
    return { ...bytes, freeFiles: ffree, files };
  }

  /**
   * Look at the disk every few seconds, so that the reserve is there before the disk is full.
   * @param alsoLook what else is looked at then
   * @returns ends it
   */
  watch(clock: Clock, alsoLook: () => Promise<unknown> = () => Promise.resolve()): () => void {
    let cancel = nothing;
    const look = (): void => {
      // What can't be looked at now is looked at the next time.
      void this.fill().then(alsoLook).catch(nothing).finally(arm);
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
      if (!['EOPNOTSUPP', 'ENOSYS', 'ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) throw error;
    }
  }
}

function nothing(): void {
  // There is no timer to cancel yet.
}

function ended(): void {
  // The watch is over.
}
