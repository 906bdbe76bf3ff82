import { open, rm, statfs } from 'node:fs/promises';
import path from 'node:path';

import { isUmbraError, systemCode } from '../common/errors.js';
import { allocate } from '../system/sparse-file.js';

const MOST_BYTES = 128 * 1024 * 1024;
/** The reserve is at most this part of the file system. */
const PART = 32;

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

  /** Make the reserve, where there is room for several times its size. */
  async fill(): Promise<void> {
    const { bsize, blocks, bavail } = await statfs(this.#directory);
    const bytes = Math.min(MOST_BYTES, Math.floor((blocks * bsize) / PART));
    if (bavail * bsize < 4 * bytes) return;
    const handle = await open(this.#file, 'a', 0o600);
    try {
      if ((await handle.stat()).size < bytes) allocate(handle.fd, 0, bytes);
    } catch (error) {
      // A file system that can't reserve, or is full after all: there is no reserve, and nothing else is wrong.
      if (!['EOPNOTSUPP', 'ENOSYS', 'ENOSPC'].includes(systemCode(error) ?? '')) throw error;
    } finally {
      await handle.close();
    }
  }

  /** Do `task`; if the disk is full, give the reserve up and do it once more. */
  async spend<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      if (!isUmbraError(error, 'STORE_FULL')) throw error;
      await rm(this.#file, { force: true });
      return await task();
    } finally {
      await this.fill();
    }
  }
}
