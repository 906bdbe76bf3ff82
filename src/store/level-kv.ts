import { UmbraError } from '../common/errors.js';
import type { KvOperation, KvRange, KvStore, KvTables } from './kv.js';
import { closedError, levelError } from './level-errors.js';
import { type LevelDatabase, LevelHandle } from './level-handle.js';
import { iterateLevel } from './level-iterate.js';
import { parseTables } from './level-tables.js';
import type { LevelKvOptions } from './level-options.js';
import { operationBytes, WriteQueue } from './write-queue.js';
import { WrittenTables } from './written-tables.js';

export type { LevelKvOptions, LevelProfile } from './level-options.js';

/**
 * Open the LevelDB database in `directory`.
 *
 * A write that failed may have happened all the same: if the sync failed, the next recovery may
 * find the batch in the log. After a failure the next write (or compaction) recovers: it closes
 * LevelDB and opens it again, when there is room enough, while readers wait a moment. Iterations
 * that live through a recovery go on at their next key.
 * @throws {UmbraError} STORE_NOT_FOUND, STORE_IN_USE, STORE_DAMAGED, STORE_FULL, STORE_FAILED
 */
export async function openLevelKv(directory: string, options: LevelKvOptions): Promise<KvStore> {
  const handle = await LevelHandle.open(directory, options);
  try {
    // Small values are read all the time.
    return new LevelKv(handle, options.profile === 'bulk' ? await WrittenTables.open(directory) : undefined);
  } catch (error) {
    await handle.close();
    throw levelError(error, 'open', directory);
  }
}

/** Behind all keys: a compaction from here to here touches no table. */
const BEHIND_ALL = Buffer.alloc(64, 0xff);

class LevelKv implements KvStore {
  readonly #handle: LevelHandle;
  readonly #written: WrittenTables | undefined;
  readonly #writes = new WriteQueue((operations, sync) => this.#apply(operations, sync));
  /** Which opening of LevelDB the first batch went to that is not known to be durable. */
  #unsyncedIn: number | undefined;
  #closing: Promise<void> | undefined;

  constructor(handle: LevelHandle, written: WrittenTables | undefined) {
    this.#handle = handle;
    this.#written = written;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#handle.use('read', (database) => database.get(key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#checkOpen();
    if (keys.length === 0) return [];
    return this.#handle.use('read', (database) => database.getMany([...keys]));
  }

  entries(range: KvRange = {}): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    return iterateLevel(this.#handle, range, true);
  }

  async *keys(range: KvRange = {}): AsyncIterable<Uint8Array> {
    for await (const [key] of iterateLevel(this.#handle, range, false)) yield key;
  }

  async write(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    this.#checkOpen();
    if (operations.length > 0) await this.#writes.write(operations, options.sync);
  }

  async flush(): Promise<void> {
    this.#checkOpen();
    await this.#writes.alone(() => this.#flush());
  }

  async compact(start: Uint8Array, end: Uint8Array): Promise<void> {
    this.#checkOpen();
    await this.#writes.alone(() => this.#recoverIfBroken(0));
    await this.#handle.assertRoom(0);
    await this.#handle.use('compact', (database) => database.compactRange(start, end));
    await this.#writes.alone(() => this.#probe());
  }

  async diskBytes(): Promise<number> {
    this.#checkOpen();
    return this.#handle.fileBytes(() => true);
  }

  /** Those of LevelDB's current version: not the ones that a compaction is just writing. */
  async tables(): Promise<KvTables> {
    this.#checkOpen();
    const { directory } = this.#handle;
    const listed = await this.#handle.use('read', (database) =>
      Promise.resolve(database.getProperty('leveldb.sstables')),
    );
    return { directory, ...parseTables(listed) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#writes.idle();
    await this.#written?.idle();
    await this.#handle.close();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError(this.#handle.directory);
  }

  /**
   * LevelDB begins any compaction by writing the table in memory to a file and syncing that. The batches' logs are then deleted;
   * most of what was written to them without sync never reaches the disk.
   */
  async #flush(): Promise<void> {
    const opening = this.#unsyncedIn;
    if (opening === undefined) return;
    this.#unsyncedIn = undefined;
    await this.#recoverIfBroken(0);
    await this.#handle.assertRoom(0);
    const logs = new Set(await this.#handle.logs());
    await this.#handle.use('write', (database) => database.compactRange(BEHIND_ALL, BEHIND_ALL));
    await this.#probe();
    // Where it could begin no new log it has written nothing, and says nothing.
    const left = (await this.#handle.logs()).filter((name) => logs.has(name));
    if (left.length > 0) throw this.#notFlushed(`cannot put ${left.join(', ')} into tables`);
    // Opening it again read the logs, and nobody knows whether the kernel still had all of them.
    if (opening !== this.#handle.openings) throw this.#notFlushed('had to be opened again');
  }

  #notFlushed(what: string): UmbraError {
    return new UmbraError('STORE_FAILED', `the database ${this.#handle.directory} ${what}`, {
      hint: 'What was written last may not be durable: back up again. If it happens again, look at the disk and at "ulimit -n".',
    });
  }

  async #recoverIfBroken(bytes: number): Promise<void> {
    if (this.#handle.broken) await this.#handle.recover(bytes);
  }

  /** A batch may be applied twice, since the same puts and deletes again change nothing. */
  async #apply(operations: readonly KvOperation[], sync: boolean): Promise<void> {
    const bytes = operationBytes(operations);
    await this.#recoverIfBroken(bytes);
    try {
      await this.#batch(operations, sync);
    } catch {
      // What LevelDB reports may be an older failure of a compaction, long over.
      await this.#handle.recover(bytes);
      await this.#batch(operations, sync);
    }
    if (!sync) this.#unsyncedIn ??= this.#handle.openings;
    this.#written?.note(bytes);
  }

  async #batch(operations: readonly KvOperation[], sync: boolean): Promise<void> {
    try {
      await this.#handle.use('write', (database) => writeBatch(database, operations, sync));
    } catch (error) {
      if (error instanceof UmbraError) this.#handle.markBroken(error);
      throw error;
    }
  }

  /**
   * LevelDB's compaction says nothing when it fails; a write after it does. Deleting a key just
   * behind the last one changes nothing and overlaps no table, so that ascending keys stay cheap.
   */
  async #probe(): Promise<void> {
    let key = Buffer.from([0]);
    for await (const [last] of iterateLevel(this.#handle, { reverse: true, limit: 1 }, false)) {
      key = Buffer.concat([last, key]);
    }
    await this.#batch([{ type: 'del', key }], false);
  }
}

/**
 * A chained batch costs the main thread under 1 µs an operation, an array of operations, copied and looked at again, 8; but the memory of
 * a chained one, twice its bytes, is only freed when its object is collected as garbage, and each next one takes new pages.
 */
const LARGE_OPERATION_BYTES = 4096;

async function writeBatch(database: LevelDatabase, operations: readonly KvOperation[], sync: boolean): Promise<void> {
  if (operationBytes(operations) > operations.length * LARGE_OPERATION_BYTES) {
    await database.batch([...operations], { sync });
    return;
  }
  const batch = database.batch();
  for (const operation of operations) {
    if (operation.type === 'put') batch.put(operation.key, operation.value);
    else batch.del(operation.key);
  }
  await batch.write({ sync });
}
