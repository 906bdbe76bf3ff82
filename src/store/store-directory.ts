import { rename, rm } from 'node:fs/promises';
import path from 'node:path';

import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { withCheck } from './checked.js';
import { privateFilesOf } from '../keys/sealed-files.js';
import { plainFiles, type PrivateFiles } from '../system/private-files.js';
import { syncDirectory } from '../system/sync-directory.js';
import { exists } from './directories.js';
import { readFormatFile, type FormatRecord } from './format-record.js';
import { isThere, makeDirectory, makeFormatFile, type MakeOptions } from './make-store.js';
import { storeKey } from './keys.js';
import type { KvStore } from './kv.js';
import { openLevelKv } from './level-kv.js';
import { openObjectsRepairing, recoverFormat } from './mend.js';
import { metaOf, sealOf, unlock, type AskSecret, type Unlocked } from './unlock.js';
import { openChecked, type OpenedStore } from './open-store.js';
import { StoreKeyring } from './store-keyring.js';
import { OpeningMark } from './opening-mark.js';
import { rebuildMeta, type RebuildCounts, type RebuildOptions } from './rebuild.js';
import { Reserve } from './reserve.js';
import { SpaceWatch } from './space-watch.js';
import type { ChosenLimits } from './space.js';
import { lockStore } from './store-lock.js';
import { databasePaths } from './database-paths.js';
import type { Store } from './store.js';

export interface StoreDirectoryOptions extends MakeOptions {
  /** With how little room a warning comes, and nothing is taken in any more. */
  readonly space?: ChosenLimits;
  /** Called once the lock is taken, before anything that can be slow. */
  readonly onLocked?: () => Promise<void>;
  /** What opens it, if it is encrypted. */
  readonly ask?: AskSecret | undefined;
}

/**
 * A store on disk, locked. If what is on disk is damaged so that the store can't be opened, the directory is held
 * all the same, so that `rebuild` can mend it; {@link store} then throws.
 */
export class StoreDirectory {
  readonly directory: string;
  readonly reserve: Reserve;
  readonly space: SpaceWatch;
  readonly #clock: Clock;
  readonly #unlock: () => Promise<void>;
  readonly #mark: OpeningMark;
  readonly #ask: AskSecret | undefined;
  #opened: OpenedStore | UmbraError;
  #keyring: StoreKeyring | undefined;
  #endWatch: (() => void) | undefined;

  private constructor(
    options: StoreDirectoryOptions,
    unlock: () => Promise<void>,
    mark: OpeningMark,
    { reserve, space }: { readonly reserve: Reserve; readonly space: SpaceWatch },
    store: OpenedStore | UmbraError,
  ) {
    this.directory = options.directory;
    this.reserve = reserve;
    this.space = space;
    this.#clock = options.clock;
    this.#unlock = unlock;
    this.#mark = mark;
    this.#opened = store;
    this.#ask = rememberedSecret(options);
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
      const space = new SpaceWatch({
        disk: () => reserve.disk(),
        chosen: options.space ?? {},
        clock: options.clock,
      });
      const admit = (bytes: number): Promise<void> => space.admit(bytes);
      mark = await OpeningMark.leave(directory, options.clock);
      const store = await openChecked({ ...options, admit, ask: rememberedSecret(options) }, mark, reserve);
      opened = new StoreDirectory(options, unlock, mark, { reserve, space }, store);
      await reserve.fill();
      await space.look();
      opened.#endWatch = reserve.watch(options.clock, () => space.look());
      return opened;
    } catch (error) {
      if (opened !== undefined) await opened.close();
      else await clearAndUnlock(mark, unlock);
      throw error;
    }
  }

  /** @throws {UmbraError} STORE_DAMAGED, STORE_FOREIGN, why it could not be opened */
  get store(): Store {
    return this.#open().store;
  }

  /** Who can open the store. @throws {UmbraError} NOT_ENCRYPTED; as {@link store} */
  get keyring(): StoreKeyring {
    const { store, unlocked } = this.#open();
    if (unlocked === undefined) throw notEncrypted(this.directory);
    return (this.#keyring ??= new StoreKeyring(this.directory, store.format, unlocked, this.#clock));
  }

  /** Files of the store's that are sealed if it is encrypted, whether it can be opened or not. @throws {UmbraError} KEY_MISSING, KEY_WRONG, KEY_LOST, KEY_DAMAGED */
  async privateFiles(): Promise<PrivateFiles> {
    return privateFilesOf(this.directory, (await this.#unlockKeys())?.keys.files, plainFiles);
  }

  #open(): OpenedStore {
    if ('store' in this.#opened) return this.#opened;
    throw this.#opened;
  }

  /**
   * Make `meta` again from `objects`, and the format file if it is lost. Nothing else may use the store meanwhile.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED; then `meta` is as it was, and what is left of `objects` too
   */
  async rebuild(options: RebuildOptions): Promise<RebuildCounts> {
    const unlocked = await this.#unlockKeys();
    await this.#closeStore();
    this.#opened = new UmbraError('STORE_DAMAGED', 'rebuilding the store did not end well', {
      hint: 'Run "umbra rebuild" again.',
    });
    try {
      const counts = await this.reserve.spend(() => this.#replaceMeta(options, unlocked));
      this.#mark.trust();
      return counts;
    } finally {
      const admit = (bytes: number): Promise<void> => this.space.admit(bytes);
      const opening = { directory: this.directory, clock: this.#clock, admit, ask: this.#ask, unlocked };
      this.#opened = await openChecked(opening, this.#mark, this.reserve);
    }
  }

  /** What opened the store, or would. */
  async #unlockKeys(): Promise<Unlocked | undefined> {
    if ('store' in this.#opened) return this.#opened.unlocked;
    return unlock(this.directory, await readableFormat(this.directory), this.#ask);
  }

  async #replaceMeta(options: RebuildOptions, unlocked: Unlocked | undefined): Promise<RebuildCounts> {
    const { meta, objects } = databasePaths(this.directory);
    const next = `${meta}.new`;
    let counts: RebuildCounts;
    try {
      counts = await this.#rebuildInto(next, options, unlocked);
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
    await this.#closeStore();
    await this.#mark.clear();
    await this.#unlock();
  }

  async #closeStore(): Promise<void> {
    if ('store' in this.#opened) await this.#opened.store.close();
  }

  async #rebuildInto(
    directory: string,
    options: RebuildOptions,
    unlocked: Unlocked | undefined,
  ): Promise<RebuildCounts> {
    const paths = databasePaths(this.directory);
    const { mendTables } = await import('./table-mend.js');
    const { salvageTables } = await import('./table-salvage.js');
    // Before LevelDB sees them: it would end the process.
    const blanked = await mendTables(paths.objects, { signal: options.signal });
    const objects = await openObjectsRepairing(paths.objects);
    try {
      const lostBlocks = blanked + (await salvageTables(paths.objects, objects, options.signal));
      const format = await recoverFormat(this.directory, objects, sealOf(unlocked));
      await rm(directory, { recursive: true, force: true });
      const inner = await openLevelKv(directory, { profile: 'small', createIfMissing: true, errorIfExists: true });
      const meta = metaOf(inner, unlocked);
      try {
        return await fillMeta(meta, objects, format, { ...options, lostBlocks, seal: sealOf(unlocked) });
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

/** Whoever makes a store opens it with the same secret. */
function rememberedSecret({ ask, create }: StoreDirectoryOptions): AskSecret | undefined {
  const secret = create?.encryption?.secret;
  return ask ?? (secret === undefined ? undefined : () => Promise.resolve(secret));
}

/** The format record, unless it is lost: then its copy is sealed with keys that must be known before. */
async function readableFormat(directory: string): Promise<FormatRecord | undefined> {
  try {
    return await readFormatFile(directory);
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}

function notEncrypted(directory: string): UmbraError {
  return new UmbraError('NOT_ENCRYPTED', `the store ${directory} is not encrypted`, {
    hint: 'A store is encrypted when it is made: make another with "umbra init --encrypt", and back the machines up to it.',
  });
}

async function clearAndUnlock(mark: OpeningMark | undefined, unlock: () => Promise<void>): Promise<void> {
  try {
    await mark?.clear();
  } finally {
    await unlock();
  }
}

/** Put the directory `next` in the place of `current`, durably; a crash between leaves no `current`, which is noticed. */
async function replaceDirectory(current: string, next: string): Promise<void> {
  await rm(`${current}.old`, { recursive: true, force: true });
  if (await exists(current)) await rename(current, `${current}.old`);
  await rename(next, current);
  await syncDirectory(path.dirname(current));
  await rm(`${current}.old`, { recursive: true, force: true });
}
