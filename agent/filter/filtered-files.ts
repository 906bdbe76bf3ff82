import { constants } from 'node:fs';
import { link, lstat, open, rename, truncate, unlink, type FileHandle } from 'node:fs/promises';
import { systemCode } from '../../src/common/errors.js';
import type { Gate } from './gate.js';
import type { ChangeLog } from './log/change-log.js';
import type { LowerDirectory } from './lower-directory.js';
import { TrackedFiles, type TrackedFile } from './tracked-files.js';

/** A file that a program has open through the mount. */
export interface OpenFile {
  readonly handle: FileHandle;
  /** Undefined for what is not a regular file. */
  readonly file: TrackedFile | undefined;
}

export interface FilteredFilesParts {
  readonly lower: LowerDirectory;
  readonly log: ChangeLog;
  readonly gate: Gate;
}

/**
 * O_APPEND: the kernel has put the offset at the end already. O_DIRECT: the buffers of FUSE are not aligned, and the
 * page cache below is what every other reader sees. O_EXCL and O_TRUNC: the kernel asks for those apart.
 */
const KEPT_FLAGS = constants.O_SYNC | constants.O_DSYNC | constants.O_NOATIME | constants.O_NOFOLLOW;

/** What changes the bytes of files and which name leads to which: noted in the log, and told to the views, before it is done. */
export class FilteredFiles {
  readonly tracked: TrackedFiles;
  readonly #lower: LowerDirectory;
  readonly #log: ChangeLog;
  readonly #gate: Gate;

  constructor({ lower, log, gate }: FilteredFilesParts) {
    this.#lower = lower;
    this.#log = log;
    this.#gate = gate;
    this.tracked = new TrackedFiles((key) => log.idOf(key));
  }

  async open(path: string, flags: number): Promise<OpenFile> {
    return await this.#opened(await open(this.#lower.at(path), (flags & (3 | KEPT_FLAGS)) | constants.O_NONBLOCK));
  }

  create(path: string, mode: number): Promise<OpenFile> {
    return this.#gate.pass(async () => {
      return await this.#opened(await open(this.#lower.at(path), constants.O_RDWR | constants.O_CREAT, mode));
    });
  }

  async #opened(handle: FileHandle): Promise<OpenFile> {
    try {
      const stats = await handle.stat({ bigint: true });
      if (!stats.isFile()) return { handle, file: undefined };
      const file = this.tracked.get(stats);
      file.handles++;
      return { handle, file };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async close({ handle, file }: OpenFile): Promise<void> {
    if (file !== undefined) {
      file.handles--;
      this.tracked.release(file);
    }
    await handle.close();
  }

  /** @returns the number of bytes */
  write({ handle, file }: OpenFile, bytes: Uint8Array, offset: number): Promise<number> {
    return this.#gate.pass(async () => {
      if (file !== undefined) {
        // What lies between the end and a write behind it becomes zeros.
        const start = Math.min(offset, file.sizeBytes);
        await this.#beforeChange(file, start, offset + bytes.length - start);
      }
      const { bytesWritten } = await handle.write(bytes, 0, bytes.length, offset);
      if (file !== undefined) file.sizeBytes = Math.max(file.sizeBytes, offset + bytesWritten);
      return bytesWritten;
    });
  }

  truncate(path: string, sizeBytes: number): Promise<void> {
    return this.#gate.pass(async () => {
      const lower = this.#lower.at(path);
      const file = await this.#fileAt(path);
      if (file === undefined) await truncate(lower, sizeBytes);
      else await this.#resize(file, sizeBytes, () => truncate(lower, sizeBytes));
    });
  }

  ftruncate({ handle, file }: OpenFile, sizeBytes: number): Promise<void> {
    return this.#gate.pass(async () => {
      if (file === undefined) await handle.truncate(sizeBytes);
      else await this.#resize(file, sizeBytes, () => handle.truncate(sizeBytes));
    });
  }

  async #resize(file: TrackedFile, sizeBytes: number, work: () => Promise<void>): Promise<void> {
    const start = Math.min(file.sizeBytes, sizeBytes);
    await this.#beforeChange(file, start, Math.max(file.sizeBytes, sizeBytes) - start);
    try {
      await work();
      file.sizeBytes = sizeBytes;
    } finally {
      this.tracked.release(file);
    }
  }

  /** Marks and copies need not wait for each other. */
  async #beforeChange(file: TrackedFile, offset: number, length: number): Promise<void> {
    if (file.id === undefined && file.views.size === 0) return;
    const waits: Promise<void>[] = [];
    if (file.id !== undefined) {
      const marked = this.#log.mark(file.id, offset, length);
      if (marked !== undefined) waits.push(marked);
    }
    for (const view of file.views) {
      const copied = view.beforeChange(offset, length);
      if (copied !== undefined) waits.push(copied);
    }
    if (waits.length > 0) await Promise.all(waits);
  }

  unlink(path: string): Promise<void> {
    return this.#gate.pass(async () => {
      await this.#beforeUnlink(path);
      await unlink(this.#lower.at(path));
      this.tracked.renumber();
    });
  }

  /** Which checkpoint's file a name leads to is part of what is vouched for. */
  rename(from: string, to: string): Promise<void> {
    return this.#gate.pass(async () => {
      const file = await this.#fileAt(from);
      if (file === undefined) await this.#beforeMove(from);
      else if (file.id !== undefined) await this.#log.everything(file.id);
      await this.#beforeUnlink(to);
      await rename(this.#lower.at(from), this.#lower.at(to));
      this.tracked.renumber();
      if (file !== undefined) this.tracked.release(file);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#gate.pass(async () => {
      const file = await this.#fileAt(from);
      if (file?.id !== undefined) await this.#log.everything(file.id);
      await link(this.#lower.at(from), this.#lower.at(to));
      if (file !== undefined) this.tracked.release(file);
    });
  }

  /** Something else than bytes and names of files. */
  change(work: () => Promise<void> | void): Promise<void> {
    return this.#gate.pass(async () => {
      this.#log.touch();
      await work();
    });
  }

  async #beforeMove(path: string): Promise<void> {
    const stats = await lstat(this.#lower.at(path));
    if (stats.isDirectory() || stats.isSymbolicLink()) await this.#log.everythingOfAll();
  }

  async #beforeUnlink(path: string): Promise<void> {
    const stats = await lstat(this.#lower.at(path), { bigint: true }).catch(absent);
    if (!stats?.isFile()) return;
    const file = this.tracked.get(stats);
    if (file.id !== undefined) {
      if (stats.nlink > 1n) await this.#log.everything(file.id);
      else await this.#log.removed(file.id);
    }
    this.tracked.release(file);
  }

  async #fileAt(path: string): Promise<TrackedFile | undefined> {
    const stats = await lstat(this.#lower.at(path), { bigint: true });
    return stats.isFile() ? this.tracked.get(stats) : undefined;
  }
}

function absent(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
  return undefined;
}
