import { UmbraError } from '../../src/common/errors.js';
import type { KvOperation, KvRange, KvStore } from '../../src/store/kv.js';
import { openMemoryKv } from '../../src/store/memory-kv.js';
import { operationBytes } from '../../src/store/write-queue.js';
import type { Random } from './random.js';

/**
 * A store in memory that forgets at a power cut what LevelDB would forget, and no more.
 *
 * LevelDB appends each batch to a log and to a table in memory. A write with `sync` syncs the log,
 * and with it all earlier batches of the same log. When the table in memory is full, LevelDB
 * begins a new log and closes the old one *without* syncing it (db_impl.cc, MakeRoomForWrite),
 * then writes the old table to a file, syncs that and the manifest, and deletes the old log. It
 * begins no third log before that is done. So at a power cut
 *
 * - everything in logs before the last two is durable, as table files;
 * - the log before the last is durable if its table was finished, else it is as the last one is;
 * - the last log keeps its batches up to its last sync, and any number of those that follow;
 * - replaying goes on with the last log where the one before it is torn: a batch without sync can
 *   be lost although a later, synced one in a newer log survives.
 *
 * With `reordering`, batches behind the last sync survive in any selection, not only as a prefix:
 * the disk may write later pages first, and LevelDB's log reader skips torn blocks.
 *
 * `compact` and `flush` write the table in memory to a file: all that was written before is durable
 * when they resolve. Every store has its own logs, so two stores lose different amounts.
 */
export interface PowerCutKv extends KvStore {
  /** What a power cut leaves; this store fails from then on, pending writes too. */
  powerCut(): PowerCutKv;
}

export interface PowerCutOptions {
  readonly random: Random;
  /** Mean size of a log; small, so that tests meet many ends of logs. 4 KiB without it. */
  readonly logBytes?: number;
  readonly reordering?: boolean;
}

interface Batch {
  readonly operations: readonly KvOperation[];
}

interface Log {
  readonly batches: Batch[];
  bytes: number;
  limit: number;
  /** The first so many batches are synced. */
  synced: number;
}

/** An empty store. */
export function openPowerCutKv(options: PowerCutOptions): PowerCutKv {
  return new ModelKv(options, new Map());
}

class ModelKv implements PowerCutKv {
  readonly #options: PowerCutOptions;
  /** What is in table files, key in latin1. */
  readonly #durable: Map<string, Uint8Array>;
  readonly #memory: KvStore;
  #older: Log | undefined;
  #current: Log;
  #cut = false;

  constructor(options: PowerCutOptions, durable: Map<string, Uint8Array>) {
    this.#options = options;
    this.#durable = durable;
    this.#memory = openMemoryKv([...durable].map(([key, value]) => [Buffer.from(key, 'latin1'), value]));
    this.#current = this.#newLog();
  }

  powerCut(): PowerCutKv {
    this.#cut = true;
    const surviving = new Map(this.#durable);
    const { random } = this.#options;
    if (this.#older) replay(surviving, random.chance(0.5) ? this.#older.batches : this.#surviving(this.#older));
    replay(surviving, this.#surviving(this.#current));
    return new ModelKv(this.#options, surviving);
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#powered(() => this.#memory.get(key));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#powered(() => this.#memory.getMany(keys));
  }

  entries(range?: KvRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    return this.#whilePowered(this.#memory.entries(range));
  }

  keys(range?: KvRange): AsyncIterable<Uint8Array> {
    return this.#whilePowered(this.#memory.keys(range));
  }

  #whilePowered<T>(entries: AsyncIterable<T>): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () => {
        const inner = entries[Symbol.asyncIterator]();
        return { next: () => this.#powered(() => inner.next()) };
      },
    };
  }

  async write(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    await this.#powered(async () => {
      const done = this.#memory.write(operations, options);
      const log = this.#append(operations);
      const count = log.batches.length;
      // A cut at this point finds the batch in the log, but not synced.
      await done;
      this.#checkPower();
      if (options.sync) log.synced = Math.max(log.synced, count);
    });
  }

  async flush(): Promise<void> {
    await this.#powered(() => this.#memory.flush());
    this.#rotate();
    this.#flush();
  }

  async compact(start: Uint8Array, end: Uint8Array): Promise<void> {
    await this.#powered(() => this.#memory.compact(start, end));
    this.#rotate();
    this.#flush();
  }

  diskBytes(): Promise<number> {
    return this.#powered(() => this.#memory.diskBytes());
  }

  close(): Promise<void> {
    return this.#memory.close();
  }

  #append(operations: readonly KvOperation[]): Log {
    if (this.#current.bytes >= this.#current.limit) this.#rotate();
    const copies = operations.map((operation) => copyOf(operation));
    if (copies.length > 0) this.#current.batches.push({ operations: copies });
    this.#current.bytes += operationBytes(copies);
    return this.#current;
  }

  /** Begin a new log; the table of the one before the last is written by then. */
  #rotate(): void {
    this.#flush();
    this.#older = this.#current;
    this.#current = this.#newLog();
  }

  #flush(): void {
    if (this.#older) replay(this.#durable, this.#older.batches);
    this.#older = undefined;
  }

  #newLog(): Log {
    const { random, logBytes = 4096 } = this.#options;
    return { batches: [], bytes: 0, limit: random.between(1, 2 * logBytes), synced: 0 };
  }

  #surviving(log: Log): Batch[] {
    const { random, reordering = false } = this.#options;
    if (reordering) return log.batches.filter((_, index) => index < log.synced || random.chance(0.5));
    return log.batches.slice(0, random.between(log.synced, log.batches.length));
  }

  async #powered<T>(work: () => Promise<T>): Promise<T> {
    this.#checkPower();
    const result = await work();
    this.#checkPower();
    return result;
  }

  #checkPower(): void {
    if (this.#cut) throw new UmbraError('STORE_FAILED', 'the power was cut');
  }
}

function replay(values: Map<string, Uint8Array>, batches: readonly Batch[]): void {
  for (const operation of batches.flatMap((batch) => batch.operations)) {
    const key = Buffer.from(operation.key).toString('latin1');
    if (operation.type === 'put') values.set(key, operation.value);
    else values.delete(key);
  }
}

function copyOf(operation: KvOperation): KvOperation {
  const key = Buffer.from(operation.key);
  return operation.type === 'put' ? { type: 'put', key, value: Buffer.from(operation.value) } : { type: 'del', key };
}
