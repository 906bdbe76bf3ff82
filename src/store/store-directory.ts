import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

import { ClassicLevel } from 'classic-level';

import { ObjectType } from '../codec/formats.js';
import { decodeBody, FrameError, readFrameHeader } from '../codec/frame.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf, systemCode, UmbraError } from '../common/errors.js';
import {
  newFormatRecord,
  parseFormatRecord,
  readFormatFile,
  writeFormatFile,
  type CreateOptions,
  type FormatRecord,
} from './format-record.js';
import { storeKey } from './keys.js';
import type { KvStore } from './kv.js';
import { openLevelKv } from './level-kv.js';
import { withCheck } from './checked.js';
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
  #store: Store | UmbraError;

  private constructor(options: StoreDirectoryOptions, unlock: () => Promise<void>, store: Store | UmbraError) {
    this.directory = options.directory;
    this.reserve = new Reserve(options.directory);
    this.#clock = options.clock;
    this.#unlock = unlock;
    this.#store = store;
  }

  /** @throws {UmbraError} STORE_NOT_FOUND, STORE_EXISTS, STORE_FOREIGN, STORE_NEWER, STORE_IN_USE, STORE_FULL, STORE_FAILED */
  static async open(options: StoreDirectoryOptions): Promise<StoreDirectory> {
    const { directory } = options;
    await prepare(options);
    const unlock = await lockStore(directory);
    try {
      await options.onLocked?.();
      const store = await openOrExplain(options);
      const opened = new StoreDirectory(options, unlock, store);
      await opened.reserve.fill();
      return opened;
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  /** @throws {UmbraError} STORE_DAMAGED, why it could not be opened */
  get store(): Store {
    if (this.#store instanceof Store) return this.#store;
    throw this.#store;
  }

  /**
   * Make `meta` again from `objects`, and the format file if it is lost. Nothing else may use the store meanwhile.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED; then everything is as it was
   */
  async rebuild(options: RebuildOptions): Promise<RebuildCounts> {
    if (this.#store instanceof Store) await this.#store.close();
    this.#store = new UmbraError('STORE_DAMAGED', 'rebuilding the store did not end well', { hint: 'Run "umbra rebuild" again.' });
    const paths = databasePaths(this.directory);
    const objects = await openObjectsRepairing(paths.objects);
    let counts: RebuildCounts;
    try {
      const format = await recoverFormat(this.directory, objects);
      counts = await this.#rebuildInto(`${paths.meta}.new`, objects, format, options);
    } finally {
      await objects.close();
    }
    await replaceDirectory(paths.meta, `${paths.meta}.new`);
    this.#store = await openOrExplain({ directory: this.directory, clock: this.#clock });
    return counts;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#store instanceof Store) await this.#store.close();
    await this.#unlock();
  }

  async #rebuildInto(directory: string, objects: KvStore, format: FormatRecord, options: RebuildOptions): Promise<RebuildCounts> {
    await rm(directory, { recursive: true, force: true });
    const meta = await openLevelKv(directory, { profile: 'small', createIfMissing: true, errorIfExists: true });
    try {
      const counts = await rebuildMeta(objects, meta, options);
      const id = Buffer.from(format.id);
      await meta.write([{ type: 'put', key: storeKey, value: withCheck(storeKey, id) }], { sync: true });
      return counts;
    } finally {
      await meta.close();
    }
  }
}

/** Make the directory and its format file if that is asked for. */
async function prepare({ directory, create, clock }: StoreDirectoryOptions): Promise<void> {
  const format = await readFormatUnlessLost(directory);
  if (format !== undefined) {
    if (create?.mustBeNew !== true) return;
    throw new UmbraError('STORE_EXISTS', `there is a store at ${directory} already`);
  }
  if (create === undefined) {
    throw new UmbraError('STORE_NOT_FOUND', `there is no store at ${directory}`, {
      hint: '"umbra backup" and "umbra init" make one; or give the right place with --store DIR.',
    });
  }
  try {
    await writeFormatFile(directory, newFormatRecord(create, clock.now()));
  } catch (cause) {
    const full = systemCode(cause) === 'ENOSPC';
    throw new UmbraError(full ? 'STORE_FULL' : 'STORE_FAILED', `cannot make a store at ${directory}: ${messageOf(cause)}`, { cause });
  }
}

async function readFormatUnlessLost(directory: string): Promise<FormatRecord | 'lost' | undefined> {
  try {
    return await readFormatFile(directory);
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return 'lost';
    throw error;
  }
}

/** The store, or why it can't be opened, if rebuilding may help. */
async function openOrExplain(options: StoreDirectoryOptions): Promise<Store | UmbraError> {
  try {
    return await openStore(options);
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return error;
    throw error;
  }
}

async function openStore({ directory, clock }: StoreDirectoryOptions): Promise<Store> {
  const format = await readFormatFile(directory);
  if (format === undefined) throw new UmbraError('STORE_NOT_FOUND', `there is no store at ${directory}`);
  const paths = databasePaths(directory);
  const isOld = await exists(paths.objects);
  if (isOld && !(await exists(paths.meta))) throw lost('index');
  const meta = await openLevelKv(paths.meta, { profile: 'small', createIfMissing: !isOld, errorIfExists: false });
  let objects: KvStore | undefined;
  try {
    if (!isOld && (await meta.get(storeKey)) !== undefined) throw lost('objects');
    objects = await openLevelKv(paths.objects, { profile: 'bulk', createIfMissing: !isOld, errorIfExists: false });
    return await Store.open({ format, objects, meta, clock });
  } catch (error) {
    await objects?.close();
    await meta.close();
    throw error;
  }
}

function lost(what: 'index' | 'objects'): UmbraError {
  return new UmbraError('STORE_DAMAGED', `the store has lost its ${what}`, {
    hint: what === 'index' ? 'Run "umbra rebuild": it makes the index again.' : 'Put the directory "objects" back from a copy.',
  });
}

/** LevelDB's own repair keeps every table and log that can be read; it runs only when opening says that it must. */
async function openObjectsRepairing(directory: string): Promise<KvStore> {
  const options = { profile: 'bulk', createIfMissing: false, errorIfExists: false } as const;
  try {
    const objects = await openLevelKv(directory, options);
    if (await isReadable(objects)) return objects;
    await objects.close();
  } catch (error) {
    if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
  }
  try {
    await ClassicLevel.repair(directory);
  } catch (cause) {
    throw new UmbraError('STORE_DAMAGED', `the objects of the store cannot be repaired: ${messageOf(cause)}`, { cause });
  }
  return openLevelKv(directory, options);
}

/** True if all keys can be walked; values are looked at one by one later. */
async function isReadable(objects: KvStore): Promise<boolean> {
  try {
    for await (const key of objects.keys()) if (key.length !== 8) return false;
    return true;
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return false;
    throw error;
  }
}

async function recoverFormat(directory: string, objects: KvStore): Promise<FormatRecord> {
  const format = await readFormatUnlessLost(directory);
  if (format !== undefined && format !== 'lost') return format;
  for await (const [, frame] of objects.entries()) {
    const copy = settingsIn(frame);
    if (copy === undefined) continue;
    const recovered = parseFormatRecord(copy, `the copy of the format record in ${directory}`);
    await writeFormatFile(directory, recovered);
    return recovered;
  }
  throw new UmbraError('STORE_DAMAGED', `no copy of the format record is left in ${directory}`);
}

function settingsIn(frame: Uint8Array): string | undefined {
  try {
    const header = readFrameHeader(frame);
    return header.type === ObjectType.settings ? decodeBody(frame, header).toString() : undefined;
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
}

/** Put the directory `next` in the place of `current`, durably; a crash between leaves no `current`, which is noticed. */
async function replaceDirectory(current: string, next: string): Promise<void> {
  await rm(`${current}.old`, { recursive: true, force: true });
  if (await exists(current)) await rename(current, `${current}.old`);
  await rename(next, current);
  const parent = await open(path.dirname(current), 'r');
  await parent.sync().finally(() => parent.close());
  await rm(`${current}.old`, { recursive: true, force: true });
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
