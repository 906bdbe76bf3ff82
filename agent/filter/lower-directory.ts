import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, opendir, realpath, type FileHandle } from 'node:fs/promises';
import { systemCode, UmbraError } from '../../src/common/errors.js';
import { keyOf } from './tracked-files.js';

/** A directory of images has fewer; what has more is another kind of directory. */
const MAX_FILES = 100_000;
const MAX_DEPTH = 64;

/** The directory below the mount, held by a descriptor that was opened before it was mounted over. */
export class LowerDirectory {
  /** Where it is, resolved. */
  readonly path: string;
  readonly stats: BigIntStats;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle, stats: BigIntStats) {
    this.path = path;
    this.#handle = handle;
    this.stats = stats;
  }

  /** @throws {UmbraError} MOUNT_POINT */
  static async open(directory: string): Promise<LowerDirectory> {
    try {
      const path = await realpath(directory);
      const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
      return new LowerDirectory(path, handle, await handle.stat({ bigint: true }));
    } catch (error) {
      throw new UmbraError('MOUNT_POINT', `${directory} cannot be opened as a directory`, {
        hint: 'Name the directory that holds the images.',
        cause: error,
      });
    }
  }

  /** What names the directory whatever it is called. */
  get key(): string {
    return keyOf(this.stats);
  }

  /** The place of a path of the mount (`/disk.img`), which never leads through the mount. */
  at(path: string): string {
    return `/proc/self/fd/${this.#handle.fd}${path}`;
  }

  /**
   * The regular files, by path of the mount.
   * @throws {UmbraError} MOUNT_POINT when there are too many
   */
  async files(): Promise<ReadonlyMap<string, BigIntStats>> {
    const found = new Map<string, BigIntStats>();
    const waiting = [{ path: '', depth: 0 }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for await (const entry of await opendir(this.at(`${next.path}/`))) {
        const path = `${next.path}/${entry.name}`;
        if (entry.isDirectory() && next.depth < MAX_DEPTH) waiting.push({ path, depth: next.depth + 1 });
        if (!entry.isFile()) continue;
        const stats = await lstat(this.at(path), { bigint: true }).catch(goneOrThrow);
        if (stats !== undefined) found.set(path, stats);
        if (found.size + waiting.length > MAX_FILES) throw this.#tooMany();
      }
    }
    return found;
  }

  /** Make a file's bytes durable, if it is there. */
  async syncFile(path: string): Promise<void> {
    const handle = await open(this.at(path), constants.O_RDONLY | constants.O_NONBLOCK).catch(goneOrThrow);
    try {
      await handle?.datasync();
    } finally {
      await handle?.close();
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #tooMany(): UmbraError {
    return new UmbraError('MOUNT_POINT', `${this.path} has more than ${MAX_FILES} files`, {
      hint: 'Put the images into a directory of their own.',
    });
  }
}

function goneOrThrow(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
  return undefined;
}
