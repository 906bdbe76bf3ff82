import { readdir, stat, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ClassicLevel } from 'classic-level';
import { systemCode, UmbraError } from '../common/errors.js';
import { syncDirectory } from '../system/sync-directory.js';
import { Gate } from './gate.js';
import { NodeLevel } from './level-database.js';
import { closedError, inUseError, levelError, type LevelAction } from './level-errors.js';
import { levelOpenOptions, type LevelKvOptions } from './level-options.js';

export type LevelDatabase = ClassicLevel<Uint8Array, Uint8Array>;

// What a recovery writes beside tables: a manifest, CURRENT, an empty log.
const RECOVERY_SLACK_BYTES = 1024 * 1024;

/**
 * The databases this process has open. LevelDB refuses to open one twice, but closes its lock file
 * then, and with that (as fcntl has it) gives up the process's lock: others could open it too.
 */
const openDirectories = new Set<string>();

/**
 * An open LevelDB database that can be closed and opened again under its users.
 *
 * After a failed append LevelDB goes on behind the torn record, and what it acknowledges from
 * then on is lost when the log is next read; after a failed sync or compaction it refuses all
 * writes until it is opened again. So any failed write makes the handle `broken`, and
 * {@link LevelHandle.recover} must succeed before the next. Operations go through {@link use},
 * which a recovery waits for and which waits for a recovery.
 */
export class LevelHandle {
  readonly directory: string;
  readonly #options: LevelKvOptions;
  readonly #gate = new Gate();
  #database: LevelDatabase | undefined;
  #failure: UmbraError | undefined;
  #openings = 1;
  #closed = false;

  private constructor(directory: string, options: LevelKvOptions, database: LevelDatabase) {
    this.directory = directory;
    this.#options = { ...options, createIfMissing: false, errorIfExists: false };
    this.#database = database;
  }

  /** @throws {UmbraError} STORE_NOT_FOUND, STORE_IN_USE, STORE_DAMAGED, STORE_FULL, STORE_FAILED */
  static async open(directory: string, options: LevelKvOptions): Promise<LevelHandle> {
    const path = resolve(directory);
    if (openDirectories.has(path)) throw inUseError(path);
    openDirectories.add(path);
    try {
      await checkDirectory(path, options);
      return new LevelHandle(path, options, await openDatabase(path, options));
    } catch (error) {
      openDirectories.delete(path);
      throw error;
    }
  }

  /** True if {@link recover} must be called before the next write. */
  get broken(): boolean {
    return this.#failure !== undefined;
  }

  /** How often LevelDB was opened. */
  get openings(): number {
    return this.#openings;
  }

  /** Remember that LevelDB can't be written any more. */
  markBroken(failure: UmbraError): void {
    this.#failure ??= failure;
  }

  /**
   * Run `task`; the database stays open until it ends.
   * @throws {UmbraError} what LevelDB throws, as ours; STORE_FAILED when closed
   */
  async use<T>(action: LevelAction, task: (database: LevelDatabase) => Promise<T>): Promise<T> {
    if (this.#database === undefined && !this.#closed) await this.recover(0);
    return this.#gate.shared(async () => {
      if (this.#closed) throw closedError(this.directory);
      if (this.#database === undefined) throw this.#failure ?? closedError(this.directory);
      try {
        return await task(this.#database);
      } catch (error) {
        throw levelError(error, action, this.directory);
      }
    });
  }

  /**
   * Close the database and open it again, if it is broken. It stays open for readers when there
   * is no room: opening writes the log's content into tables, and if that fails there is nothing
   * left to read from.
   * @param bytes that the caller wants to write afterwards
   * @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED
   */
  async recover(bytes: number): Promise<void> {
    if (this.#database !== undefined) await this.assertRoom(bytes);
    await this.#gate.exclusive(async () => {
      if (this.#closed) throw closedError(this.directory);
      if (this.#database !== undefined && this.#failure === undefined) return;
      try {
        await this.#database?.close();
        this.#database = undefined;
        this.#database = await openDatabase(this.directory, this.#options);
        this.#openings++;
        this.#failure = undefined;
      } catch (error) {
        this.#failure = levelError(error, 'open', this.directory);
        throw this.#failure;
      }
    });
  }

  /** Waits for what runs. Idempotent. */
  async close(): Promise<void> {
    await this.#gate.exclusive(async () => {
      this.#closed = true;
      const database = this.#database;
      this.#database = undefined;
      await database?.close();
      openDirectories.delete(this.directory);
    });
  }

  /**
   * Bytes of the files whose name `matches`; files that vanish meanwhile count nothing.
   * @throws {UmbraError} STORE_FAILED, STORE_DAMAGED
   */
  async fileBytes(matches: (name: string) => boolean): Promise<number> {
    try {
      const names = (await readdir(this.directory)).filter(matches);
      const sizes = await Promise.all(names.map((name) => fileSize(join(this.directory, name))));
      return sizes.reduce((sum, size) => sum + size, 0);
    } catch (error) {
      throw levelError(error, 'read', this.directory);
    }
  }

  /**
   * See that what the logs hold could be written to tables. LevelDB that finds no room for that in the midst of a compaction may
   * end the process (1.20 uses what it has given up), and one that can't begin a new log says nothing.
   * @param bytes that are wanted besides
   * @throws {UmbraError} STORE_FULL, STORE_FAILED
   */
  async assertRoom(bytes: number): Promise<void> {
    const needed = bytes + RECOVERY_SLACK_BYTES + (await this.fileBytes(isLog));
    if ((await this.#freeBytes()) >= needed) return;
    throw new UmbraError('STORE_FULL', `the database ${this.directory} cannot be written: the disk is full`, {
      hint: 'Make room on the disk that holds the store.',
      cause: this.#failure,
    });
  }

  /** The logs that LevelDB has not written to tables. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async logs(): Promise<readonly string[]> {
    return (await namesIn(this.directory)).filter(isLog);
  }

  async #freeBytes(): Promise<number> {
    try {
      const { bavail, bsize } = await statfs(this.directory);
      return bavail * bsize;
    } catch (error) {
      throw levelError(error, 'read', this.directory);
    }
  }
}

function isLog(name: string): boolean {
  return name.endsWith('.log');
}

async function fileSize(path: string): Promise<number> {
  try {
    const info = await stat(path);
    return info.isFile() ? info.size : 0;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

async function openDatabase(directory: string, options: LevelKvOptions): Promise<LevelDatabase> {
  const database: LevelDatabase = new NodeLevel(directory, { keyEncoding: 'view', valueEncoding: 'view' });
  try {
    await database.open({ ...levelOpenOptions(options), passive: false });
    // LevelDB renames CURRENT last. Where syncing a file makes only its own name durable (btrfs), a power cut could leave what is
    // acknowledged in a log of a database without CURRENT.
    await syncDirectory(directory);
    return database;
  } catch (error) {
    if (database.status === 'open') await database.close();
    throw levelError(error, 'open', directory);
  }
}

/**
 * Look before LevelDB does: asked to open what isn't there it makes an empty directory, and where
 * only `CURRENT` is missing it would make a new database and delete all tables as obsolete.
 */
async function checkDirectory(directory: string, options: LevelKvOptions): Promise<void> {
  const names = await namesIn(directory);
  if (names.includes('CURRENT')) {
    if (!options.errorIfExists) return;
    throw new UmbraError('STORE_FAILED', `there is a database in ${directory} already`);
  }
  if (names.some((name) => /\.(ldb|sst|log)$/.test(name))) {
    throw new UmbraError('STORE_DAMAGED', `the database ${directory} has lost its file CURRENT`);
  }
  if (!options.createIfMissing) {
    throw new UmbraError('STORE_NOT_FOUND', `there is no database in ${directory}`);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw levelError(error, 'open', directory);
  }
}
