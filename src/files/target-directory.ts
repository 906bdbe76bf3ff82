import { constants, type BigIntStats } from 'node:fs';
import { link, lstat, mkdir, open, rename, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { systemCode } from '../common/errors.js';
import { renameWithoutReplacing } from '../system/file-metadata.js';
import { newPartialName } from './partial-names.js';

const SLASH = Buffer.from('/');
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** What not every file system can do. */
export interface NamingCalls {
  readonly renameWithoutReplacing: (from: Buffer, to: Buffer) => void;
  readonly link: (from: Buffer, to: Buffer) => Promise<void>;
}

const SYSTEM_CALLS: NamingCalls = { renameWithoutReplacing, link };

/**
 * A directory that files are written to. It is held open, and everything in it is named from there
 * (`/proc/self/fd/N/NAME`): whoever exchanges it, or a directory above it, for a symbolic link meanwhile leads nothing
 * astray.
 */
export class TargetDirectory {
  readonly handle: FileHandle;
  readonly #prefix: Buffer;
  readonly #calls: NamingCalls;

  private constructor(handle: FileHandle, calls: NamingCalls) {
    this.handle = handle;
    this.#calls = calls;
    this.#prefix = Buffer.from(`/proc/self/fd/${handle.fd}/`);
  }

  /** @throws system errors; ELOOP or ENOTDIR for what is no directory itself */
  static async open(path: string | Buffer, calls = SYSTEM_CALLS): Promise<TargetDirectory> {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    return new TargetDirectory(await open(path, flags), calls);
  }

  /** The path of something in it, for system calls, as long as this is open. */
  path(...names: readonly Buffer[]): Buffer {
    const parts = names.flatMap((name, index) => (index === 0 ? [name] : [SLASH, name]));
    return Buffer.concat([this.#prefix, ...parts]);
  }

  /** What is there, itself; undefined if nothing is. */
  async lstat(name: Buffer): Promise<BigIntStats | undefined> {
    try {
      return await lstat(this.path(name), { bigint: true });
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Make a directory for this user only, and open it. */
  async make(name: Buffer): Promise<TargetDirectory> {
    await mkdir(this.path(name), { mode: 0o700 });
    return await this.into(name);
  }

  /** Open a directory that is there. */
  async into(name: Buffer): Promise<TargetDirectory> {
    return await TargetDirectory.open(this.path(name), this.#calls);
  }

  /** A name that nothing has, for what is not complete; of a killed server it stays until the next copy. */
  partialName(): Buffer {
    return Buffer.from(newPartialName());
  }

  /** Make an empty file for this user only. */
  async create(name: Buffer): Promise<FileHandle> {
    return await open(this.path(name), NEW_FILE, 0o600);
  }

  /**
   * Give what is complete its name.
   * @param replace what is no directory and has that name goes
   * @throws system errors; EEXIST
   */
  async finish(partial: Buffer, name: Buffer, replace: boolean): Promise<void> {
    if (replace) await rename(this.path(partial), this.path(name));
    else await this.#finishBeside(partial, name);
  }

  /** Some file systems can't rename without replacing, and some of those make no links. */
  async #finishBeside(partial: Buffer, name: Buffer): Promise<void> {
    const [from, to] = [this.path(partial), this.path(name)];
    try {
      this.#calls.renameWithoutReplacing(from, to);
      return;
    } catch (error) {
      if (!isUnknown(error)) throw error;
    }
    try {
      // It is refused if the name is taken.
      await this.#calls.link(from, to);
    } catch (error) {
      if (!isUnknown(error) && systemCode(error) !== 'EPERM') throw error;
      await this.#finishOverPlaceholder(from, to);
      return;
    }
    await unlink(from);
  }

  /** Take the name with an empty file of our own, and replace that. */
  async #finishOverPlaceholder(from: Buffer, to: Buffer): Promise<void> {
    await (await open(to, NEW_FILE, 0o600)).close();
    try {
      await rename(from, to);
    } catch (error) {
      await unlink(to).catch(() => undefined);
      throw error;
    }
  }

  /** Take away what is not complete. */
  async discard(partial: Buffer): Promise<void> {
    await unlink(this.path(partial)).catch(() => undefined);
  }

  /** Take away a directory, if it is empty. */
  async removeEmpty(name: Buffer): Promise<void> {
    await rmdir(this.path(name)).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** True if the file system does not know how to do something. */
function isUnknown(error: unknown): boolean {
  return ['EINVAL', 'ENOSYS', 'EOPNOTSUPP'].includes(systemCode(error) ?? '');
}
