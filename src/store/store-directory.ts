import { rename, rm } from 'node:fs/promises';
import path from 'node:path';

import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf, systemCode, UmbraError } from '../common/errors.js';
import { makeDirectories } from '../system/make-directory.js';
import { withCheck } from './checked.js';
import { syncDirectory } from '../system/sync-directory.js';
import { exists } from './directories.js';
import {
  newFormatRecord,
  readFormatFile,
  writeFormatFile,
  type CreateOptions,
  type FormatRecord,
} from './format-record.js';
import { storeKey } from './keys.js';
import type { KvStore } from './kv.js';
import { openLevelKv } from './level-kv.js';
import { openObjectsRepairing, recoverFormat } from './mend.js';
import { openChecked } from './open-store.js';
import { OpeningMark } from './opening-mark.js';
import { rebuildMeta, type RebuildCounts, type RebuildOptions } from './rebuild.js';
import { Reserve } from './reserve.js';
import { lockStore } from './store-lock.js';
import { databasePaths, Store } from './store.js';

export interface StoreDirectoryOptions {
  /** Absolute. */
  readonly directory: string;
  readonly clock: Clock;
  /** Make a store if there is none; `mustBeNew` refuses one that is there. */
  readonly create?: CreateOptions & { readonly mustBeNew: boolean };
  /** Called once the lock is taken, before anything that can be slow. */
  readonly onLocked?: () => Promise<void>;
}

/**
 * A store on disk, locked. If what is on disk is damaged so that the store can't be opened, the directory is held
 * all the same, so that `rebuild` can mend it; {@link store} then throws.
 */
export class StoreDirectory {
  readonly directory: string;
  readonly reserve: Reserve;
  readonly #clock: Clock;
  readonly #unlock: () => Promise<void>;
  readonly #mark: OpeningMark;
  #store: Store | UmbraError;
  #endWatch: (() => void) | undefined;

  private constructor(
    options: StoreDirectoryOptions,
    unlock: () => Promise<void>,
    mark: OpeningMark,
    reserve: Reserve,
    store: Store | UmbraError,
  ) {
    this.directory = options.directory;
    this.reserve = reserve;
    this.#clock = options.clock;
    this.#unlock = unlock;
    this.#mark = mark;
    this.#store = store;
  }

  /** @throws {UmbraError} STORE_NOT_FOUND, STORE_EXISTS, STORE_FOREIGN, STORE_NEWER, STORE_IN_USE, STORE_FULL, STORE_FAILED */
  static async open(options: StoreDirectoryOptions): Promise<StoreDirectory> {
    const { directory } = options;
    if (!(await isThere(options))) await makeDirectory(directory);
    const unlock = await lockStore(directory);
    let mark: OpeningMark | undefined;
    let opened: StoreDirectory | undefined;
    try {
      await options.onLocked?.();
      await makeFormatFile(options);
      const reserve = new Reserve(directory);
      mark = await OpeningMark.leave(directory, options.clock);
      const store = await openChecked(options, mark, reserve);
      opened = new StoreDirectory(options, unlock, mark, reserve, store);
      await reserve.fill();
      opened.#endWatch = reserve.watch(options.clock);
      return opened;
    } catch (error) {
      if (opened !== undefined) await opened.close();
      else await clearAndUnlock(mark, unlock);
      throw error;
    }
  }

  /** @throws {UmbraError} STORE_DAMAGED, STORE_FOREIGN, why it could not be opened */
  get store(): Store {
    if (this.#store instanceof Store) return this.#store;
    throw this.#store;
  }

  /**
   * Make `meta` again from `objects`, and the format file if it is lost. Nothing else may use the store meanwhile.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED; then `meta` is as it was, and what is left of `objects` too
   */
  async rebuild(options: RebuildOptions): Promise<RebuildCounts> {
    if (this.#store instanceof Store) await this.#store.close();
    this.#store = new UmbraError('STORE_DAMAGED', 'rebuilding the store did not end well', {
      hint: 'Run "umbra rebuild" again.',
    });
    try {
      const counts = await this.reserve.spend(() => this.#replaceMeta(options));
      this.#mark.trust();
      return counts;
    } finally {
      this.#store = await openChecked({ directory: this.directory, clock: this.#clock }, this.#mark, this.reserve);
    }
  }

  async #replaceMeta(options: RebuildOptions): Promise<RebuildCounts> {
    const { meta, objects } = databasePaths(this.directory);
    const next = `${meta}.new`;
    let counts: RebuildCounts;
    try {
      counts = await this.#rebuildInto(next, options);
    } catch (error) {
      await rm(next, { recursive: true, force: true });
      throw error;
    }
    await replaceDirectory(meta, next);
    await (await import('./table-salvage.js')).retireSalvaged(objects);
    return counts;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#endWatch?.();
    if (this.#store instanceof Store) await this.#store.close();
    await this.#mark.clear();
    await this.#unlock();
  }

  async #rebuildInto(directory: string, options: RebuildOptions): Promise<RebuildCounts> {
    const paths = databasePaths(this.directory);
    const { mendTables } = await import('./table-mend.js');
    const { salvageTables } = await import('./table-salvage.js');
    // Before LevelDB sees them: it would end the process.
    const blanked = await mendTables(paths.objects, { signal: options.signal });
    const objects = await openObjectsRepairing(paths.objects);
    try {
      const lostBlocks = blanked + (await salvageTables(paths.objects, objects, options.signal));
      const format = await recoverFormat(this.directory, objects);
      await rm(directory, { recursive: true, force: true });
      const meta = await openLevelKv(directory, { profile: 'small', createIfMissing: true, errorIfExists: true });
      try {
        return await fillMeta(meta, objects, format, { ...options, lostBlocks });
      } finally {
        await meta.close();
      }
    } finally {
      await objects.close();
    }
  }
}

async function fillMeta(
  meta: KvStore,
  objects: KvStore,
  format: FormatRecord,
  options: RebuildOptions & { readonly lostBlocks: number },
): Promise<RebuildCounts> {
  const counts = await rebuildMeta(objects, meta, options);
  const id = Buffer.from(format.id);
  await meta.write([{ type: 'put', key: storeKey, value: withCheck(storeKey, id) }], { sync: true });
  return counts;
}

async function clearAndUnlock(mark: OpeningMark | undefined, unlock: () => Promise<void>): Promise<void> {
  try {
    await mark?.clear();
  } finally {
    await unlock();
  }
}

/**
 * True if there is a store, false if there is none and one is to be made.
 * @throws {UmbraError} STORE_NOT_FOUND, STORE_EXISTS, STORE_FOREIGN, STORE_NEWER, STORE_FAILED
 */
async function isThere({ directory, create }: StoreDirectoryOptions): Promise<boolean> {
  const found = await hasFormatFile(directory);
  if (found && create?.mustBeNew === true) {
    throw new UmbraError('STORE_EXISTS', `there is a store at ${directory} already`);
  }
  if (!found && create === undefined) {
    throw new UmbraError('STORE_NOT_FOUND', `there is no store at ${directory}`, {
      hint: '"umbra backup" and "umbra init" make one; or give the right place with --store DIR.',
    });
  }
  return found;
}

/** True for a store, also for one whose format file is lost. */
async function hasFormatFile(directory: string): Promise<boolean> {
  try {
    return (await readFormatFile(directory)) !== undefined;
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return true;
    throw error;
  }
}

/** Write the format file if there is no store: under the lock, so that of two processes one makes it. */
async function makeFormatFile(options: StoreDirectoryOptions): Promise<void> {
  const { directory, create, clock } = options;
  if ((await isThere(options)) || create === undefined) return;
  const format = newFormatRecord(create, clock.now());
  await creating(directory, () => writeFormatFile(directory, format));
}

async function makeDirectory(directory: string): Promise<void> {
  await creating(directory, async () => {
    for (const made of await makeDirectories(directory)) await syncDirectory(path.dirname(made));
  });
}

async function creating(directory: string, task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (cause) {
    if (systemCode(cause) === 'ENOSPC') throw noRoom(directory, cause);
    throw new UmbraError('STORE_FAILED', `cannot make a store at ${directory}: ${messageOf(cause)}`, { cause });
  }
}

function noRoom(directory: string, cause: unknown): UmbraError {
  return new UmbraError('STORE_FULL', `cannot make a store at ${directory}: the disk is full`, {
    hint: 'Make room on that disk, or give another place with --store DIR.',
    cause,
  });
}

/** Put the directory `next` in the place of `current`, durably; a crash between leaves no `current`, which is noticed. */
async function replaceDirectory(current: string, next: string): Promise<void> {
  await rm(`${current}.old`, { recursive: true, force: true });
  if (await exists(current)) await rename(current, `${current}.old`);
  await rename(next, current);
  await syncDirectory(path.dirname(current));
  await rm(`${current}.old`, { recursive: true, force: true });
}
