import { randomBytes } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { link, lstat, mkdir, open, rename, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { systemCode } from '../common/errors.js';
import { renameWithoutReplacing } from '../system/file-metadata.js';

const SLASH = Buffer.from('/');
/** What a file is called until it is complete; of a killed server it stays. */
const PARTIAL_PREFIX = '.umbra-';
const PARTIAL_SUFFIX = '.partial';

/**
 * A directory that files are written to. It is held open, and everything in it is named from there
 * (`/proc/self/fd/N/NAME`): whoever exchanges it, or a directory above it, for a symbolic link meanwhile leads nothing
 * astray.
 */
export class TargetDirectory {
  readonly handle: FileHandle;
  readonly #prefix: Buffer;

  private constructor(handle: FileHandle) {
    this.handle = handle;
    this.#prefix = Buffer.from(`/proc/self/fd/${handle.fd}/`);
  }

  /** @throws system errors; ELOOP or ENOTDIR for what is no directory itself */
  static async open(path: string | Buffer): Promise<TargetDirectory> {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    return new TargetDirectory(await open(path, flags));
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
    return await TargetDirectory.open(this.path(name));
  }

  /** A name that nothing has, for what is not complete. */
  partialName(): Buffer {
    return Buffer.from(PARTIAL_PREFIX + randomBytes(8).toString('hex') + PARTIAL_SUFFIX);
  }

  /** Make an empty file for this user only. */
  async create(name: Buffer): Promise<FileHandle> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    return await open(this.path(name), flags, 0o600);
  }

  /**
   * Give what is complete its name.
   * @param replace what is no directory and has that name goes
   * @throws system errors; EEXIST
   */
  async finish(partial: Buffer, name: Buffer, replace: boolean): Promise<void> {
    if (replace) {
      await rename(this.path(partial), this.path(name));
      return;
    }
    try {
      renameWithoutReplacing(this.path(partial), this.path(name));
    } catch (error) {
      // Some file systems can't do that at once; a link is refused if the name is taken.
      if (systemCode(error) !== 'EINVAL') throw error;
      await link(this.path(partial), this.path(name));
      await unlink(this.path(partial));
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
