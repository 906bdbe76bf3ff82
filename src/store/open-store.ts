import path from 'node:path';

import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { syncDirectory } from '../system/sync-directory.js';
import { exists } from './directories.js';
import { readFormatFile } from './format-record.js';
import { storeKey } from './keys.js';
import type { KvStore } from './kv.js';
import { openLevelKv } from './level-kv.js';
import type { OpeningMark } from './opening-mark.js';
import type { Reserve } from './reserve.js';
import { databasePaths } from './database-paths.js';
import { Store, type StoreParts } from './store.js';
import { mendKeyring } from './keyring-files.js';
import { metaOf, unlock, unlockedFormat, type AskSecret, type Unlocked } from './unlock.js';

export interface OpenOptions {
  /** Absolute; locked by the caller. */
  readonly directory: string;
  readonly clock: Clock;
  /** As {@link ObjectStore} takes it. */
  readonly admit: (bytes: number) => Promise<void>;
  /** For an encrypted store. */
  readonly ask?: AskSecret | undefined;
  /** What opened it before, where that is known. */
  readonly unlocked?: Unlocked | undefined;
}

/** A store, and what opened it if it is encrypted. */
export interface OpenedStore {
  readonly store: Store;
  readonly unlocked: Unlocked | undefined;
}

/** As {@link openOrExplain}; if the process before died over it, only when the tables are found good. */
export async function openChecked(
  options: OpenOptions,
  mark: OpeningMark,
  reserve: Reserve,
): Promise<OpenedStore | UmbraError> {
  try {
    // What reads tables is loaded only where it is needed, so that every other start is faster.
    if (mark.isSuspect) await (await import('./table-check.js')).refuseDamagedTables(databasePaths(options.directory));
    mark.trust();
  } catch (error) {
    mark.keep();
    if (isUmbraError(error, 'STORE_DAMAGED')) return error;
    throw error;
  }
  // LevelDB writes when it opens a database: on a full disk too, so there the reserve is given up for it.
  const spend = (task: () => Promise<void>): Promise<void> => reserve.spend(task);
  const store = await reserve.spend(() => openOrExplain(options, spend));
  mark.opened();
  return store;
}

/** The store, or why it can't be opened, if rebuilding may help: its databases are damaged or do not belong together. */
async function openOrExplain(options: OpenOptions, spend: StoreParts['spend']): Promise<OpenedStore | UmbraError> {
  try {
    return await openStore(options, spend);
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED', 'STORE_FOREIGN')) return error;
    throw error;
  }
}

async function openStore(
  { directory, clock, admit, ask, ...known }: OpenOptions,
  spend: StoreParts['spend'],
): Promise<OpenedStore> {
  const format = await readFormatFile(directory);
  if (format === undefined) throw new UmbraError('STORE_NOT_FOUND', `there is no store at ${directory}`);
  const unlocked = known.unlocked ?? (await unlock(directory, format, ask));
  const paths = databasePaths(directory);
  const { meta, objects } = await openDatabases(paths);
  try {
    const store = await Store.open({
      format: unlockedFormat(format, unlocked),
      objects,
      meta: metaOf(meta, unlocked),
      keys: unlocked?.keys.frames,
      clock,
      admit,
      spend,
    });
    if (unlocked !== undefined) await mendKeyring(directory, format.id);
    // The databases sync their files, not that their own directories are there.
    await syncDirectory(directory);
    return { store, unlocked };
  } catch (error) {
    await objects.close();
    await meta.close();
    throw needsRebuild(error);
  }
}

/** Damage that keeps a store from being opened can't be verified; rebuilding mends it. Other errors stay as they are. */
function needsRebuild(error: unknown): unknown {
  if (!isUmbraError(error, 'STORE_DAMAGED')) return error;
  return new UmbraError('STORE_DAMAGED', error.message, {
    hint: 'Run "umbra rebuild": it makes the index and the catalog again from the objects.',
    cause: error,
  });
}

/** Both databases. A store whose making broke off has one, or both, that nobody ever wrote to: they are made again. */
async function openDatabases(
  paths: ReturnType<typeof databasePaths>,
): Promise<{ readonly meta: KvStore; readonly objects: KvStore }> {
  const hasObjects = await exists(path.join(paths.objects, 'CURRENT'));
  const meta = await openOrLost(paths.meta, 'small', !hasObjects, 'index');
  try {
    const isNew = (await meta.get(storeKey)) === undefined;
    return { meta, objects: await openOrLost(paths.objects, 'bulk', isNew, 'objects') };
  } catch (error) {
    await meta.close();
    throw error;
  }
}

async function openOrLost(
  directory: string,
  profile: 'small' | 'bulk',
  createIfMissing: boolean,
  what: 'index' | 'objects',
): Promise<KvStore> {
  try {
    return await openLevelKv(directory, { profile, createIfMissing, errorIfExists: false });
  } catch (cause) {
    if (!isUmbraError(cause, 'STORE_NOT_FOUND')) throw needsRebuild(cause);
    throw new UmbraError('STORE_DAMAGED', `the store has lost its ${what}`, {
      hint:
        what === 'index'
          ? 'Run "umbra rebuild": it makes the index again.'
          : 'Put the directory "objects" back from a copy.',
      cause,
    });
  }
}
