import type { ObjectType } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import { putEntry, type IndexEntry } from './index-entries.js';
import { highWaterKey, objectKey, objectName, quarantineKey } from './keys.js';
import type { KvOperation, KvWriter } from './kv.js';
import { withCheck } from './checked.js';
import { BATCH_BYTES, putsOf, type ObjectBatch } from './object-batch.js';
import { findSequences } from './object-index.js';

/**
 * Batches are synced each by itself until so much has come since the last barrier. What follows becomes durable all at once: LevelDB
 * writes it to tables anyway, and then most of its log never reaches the disk. A first backup takes 0.6 of the time so.
 */
const SYNCED_BYTES = 16 * 1024 * 1024;
/** Index entries are written when there are so many objects without, or at a barrier. */
const INDEX_BATCH_OBJECTS = 2048;
/** Sequence numbers are taken from a durable reserve of so many. */
const SEQUENCE_STRIDE = 1 << 16;

interface Replaced {
  readonly oldSequence: number;
  readonly newSequence: number;
}

/** Batches at once: one that is written, one that waits, one that fills; who fills a fourth is held back. */
const MOST_BATCHES = 3;

/**
 * The only writer of objects. It keeps the write order: a batch of objects is durable before an index entry
 * points at one of them, and index entries are durable before a barrier lets anything go on that relies on them.
 */
export class ObjectLog {
  readonly #objects: KvWriter;
  readonly #meta: KvWriter;
  readonly #quarantined: Set<string>;
  readonly #onReplaced: (oldSequence: number, newSequence: number) => void;
  readonly #syncedBytes: number;
  readonly #inFlight = new Map<string, IndexEntry>();
  readonly #spare: Buffer[] = [];
  #filling: ObjectBatch | undefined;
  readonly #wantRoom: (() => void)[] = [];
  #batches = 0;
  /** Bytes since the last barrier. */
  #sinceBarrier = 0;
  /** Objects that are written and not durable yet… */
  #undurable: IndexEntry[] = [];
  /** …and that are durable, and not in the index yet. */
  #unindexed: IndexEntry[] = [];
  #nextSequence: number;
  #highWater: number;
  #tail: Promise<void> = Promise.resolve();
  #failures = 0;
  #lastFailure: unknown;
  #writtenBytes = 0;
  /** Sequence numbers of batches whose write failed: nobody knows whether they are on disk, so the next write deletes them. */
  #doubtful: number[] = [];

  constructor(options: {
    readonly objects: KvWriter;
    readonly meta: KvWriter;
    readonly nextSequence: number;
    readonly highWater: number;
    /** The names of all objects in quarantine; those that are added again are healed and leave it. */
    readonly quarantined: Set<string>;
    /** Called when the index entry of an object was replaced: two sessions stored the same content, one after the other. */
    readonly onReplaced: (oldSequence: number, newSequence: number) => void;
    /** Tests have little to write. */
    readonly syncedBytes?: number | undefined;
  }) {
    this.#objects = options.objects;
    this.#meta = options.meta;
    this.#nextSequence = options.nextSequence;
    this.#highWater = options.highWater;
    this.#quarantined = options.quarantined;
    this.#onReplaced = options.onReplaced;
    this.#syncedBytes = options.syncedBytes ?? SYNCED_BYTES;
  }

  /** The sequence number that the next object gets. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** How often a write failed. Who began before a failure must give up: what it added may be lost. */
  get failures(): number {
    return this.#failures;
  }

  /** Bytes of frames written since the store was opened. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** The sequence number of an object that is added but not yet in the index. */
  pending(type: ObjectType, digest: Uint8Array): number | undefined {
    return this.#inFlight.get(objectName(type, digest))?.sequence;
  }

  /** The length of the frame of an object that is added but not yet in the index. */
  pendingBytes(type: ObjectType, digest: Uint8Array): number | undefined {
    return this.#inFlight.get(objectName(type, digest))?.storedBytes;
  }

  /**
   * Add an object; it is durable and indexed after the next {@link barrier}. The frame is copied.
   * @returns its sequence number; that of the one in flight if the same object is
   */
  add(object: {
    readonly type: ObjectType;
    readonly digest: Uint8Array;
    readonly plainBytes: number;
    readonly frame: Uint8Array;
  }): number {
    const key = objectName(object.type, object.digest);
    const known = this.#inFlight.get(key);
    if (known !== undefined) return known.sequence;
    const { type, digest, plainBytes, frame } = object;
    const sequence = this.#nextSequence++;
    const entry = { type, digest: Uint8Array.from(digest), plainBytes, sequence, storedBytes: frame.length };
    this.#inFlight.set(key, entry);
    const batch = this.#roomFor(frame.length);
    batch.buffer.set(frame, batch.usedBytes);
    batch.usedBytes += frame.length;
    batch.entries.push(entry);
    return sequence;
  }

  /** Resolves when there is room for more; what failed is said by {@link barrier}. */
  async room(): Promise<void> {
    while (this.#batches > MOST_BATCHES) await new Promise<void>((resolve) => this.#wantRoom.push(resolve));
  }

  /**
   * Everything added before is durable, and found by its digest, when this resolves.
   * @param since {@link failures} when the caller began
   * @throws {UmbraError} STORE_FULL, STORE_FAILED if any write failed since then
   */
  async barrier(since: number): Promise<void> {
    this.#flush();
    this.#enqueue(async () => {
      await this.#writeIndex();
      this.#sinceBarrier = 0;
    });
    await this.#tail;
    this.assertNoFailure(since);
  }

  /** @throws {UmbraError} as {@link barrier} */
  assertNoFailure(since: number): void {
    if (this.#failures === since) return;
    if (this.#lastFailure instanceof UmbraError) throw this.#lastFailure;
    throw new UmbraError('STORE_FAILED', 'writing to the store failed', { cause: this.#lastFailure });
  }

  /** Run `task` when no write of the log is under way, and none begins before it ends. */
  exclusively<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(task);
    this.#tail = run.then(ignore, ignore);
    return run;
  }

  /** The batch that is filling, or the next one if that has no room for `bytes`. */
  #roomFor(bytes: number): ObjectBatch {
    if (this.#filling !== undefined && this.#filling.usedBytes + bytes > this.#filling.buffer.length) this.#flush();
    if (this.#filling === undefined) {
      const spare = bytes <= BATCH_BYTES ? this.#spare.pop() : undefined;
      this.#filling = {
        buffer: spare ?? Buffer.allocUnsafeSlow(Math.max(bytes, BATCH_BYTES)),
        entries: [],
        usedBytes: 0,
      };
      this.#batches++;
    }
    return this.#filling;
  }

  #flush(): void {
    const batch = this.#filling;
    if (batch === undefined) return;
    this.#filling = undefined;
    this.#enqueue(async () => {
      try {
        await this.#writeObjects(batch);
        if (this.#unindexed.length + this.#undurable.length >= INDEX_BATCH_OBJECTS) await this.#writeIndex();
      } finally {
        this.#batches--;
        for (const resolve of this.#wantRoom.splice(0)) resolve();
        if (batch.buffer.length === BATCH_BYTES && this.#spare.length < MOST_BATCHES) this.#spare.push(batch.buffer);
      }
    });
  }

  #enqueue(task: () => Promise<void>): void {
    this.#tail = this.#tail.then(task).catch((error: unknown) => {
      this.#failures++;
      this.#lastFailure = error;
    });
  }

  async #writeObjects(batch: ObjectBatch): Promise<void> {
    const { entries, usedBytes } = batch;
    const last = entries[entries.length - 1]?.sequence ?? 0;
    this.#sinceBarrier += usedBytes;
    const hasDoubtful = this.#doubtful.length > 0;
    const sync = hasDoubtful || this.#sinceBarrier <= this.#syncedBytes;
    try {
      if (last >= this.#highWater) await this.#raiseHighWater(last);
      const doubtful = this.#doubtful.map((sequence): KvOperation => ({ type: 'del', key: objectKey(sequence) }));
      await this.#objects.write([...doubtful, ...putsOf(batch)], { sync });
      this.#doubtful = [];
      // What was not durable when a write failed is given up: that it may be lost must not fail those who come later.
      if (hasDoubtful) await this.#objects.flush().catch(ignore);
    } catch (error) {
      this.#doubt(entries);
      throw error;
    }
    (sync ? this.#unindexed : this.#undurable).push(...entries);
    this.#writtenBytes += usedBytes;
  }

  /** Make durable what was written without sync. */
  async #makeDurable(): Promise<void> {
    if (this.#undurable.length === 0) return;
    try {
      await this.#objects.flush();
    } catch (error) {
      this.#doubt([]);
      throw error;
    }
    this.#unindexed.push(...this.#undurable.splice(0));
  }

  /** A write failed: nobody knows of these objects whether they are there, nor of those that were not durable yet. */
  #doubt(entries: readonly IndexEntry[]): void {
    const all = [...this.#undurable.splice(0), ...entries];
    this.#doubtful.push(...all.map(({ sequence }) => sequence));
    this.#forget(all);
  }

  async #raiseHighWater(sequence: number): Promise<void> {
    const mark = sequence + SEQUENCE_STRIDE;
    const value = Buffer.alloc(8);
    value.writeBigUInt64BE(BigInt(mark));
    await this.#meta.write([{ type: 'put', key: highWaterKey, value: withCheck(highWaterKey, value) }], { sync: true });
    this.#highWater = mark;
  }

  async #writeIndex(): Promise<void> {
    await this.#makeDurable();
    const batch = this.#unindexed;
    if (batch.length === 0) return;
    this.#unindexed = [];
    const operations: KvOperation[] = batch.flatMap(putEntry);
    const healed = batch.filter(({ type, digest }) => this.#quarantined.has(objectName(type, digest)));
    operations.push(
      ...healed.map(({ type, digest }): KvOperation => ({ type: 'del', key: quarantineKey(type, digest) })),
    );
    let replaced: Replaced[];
    try {
      replaced = await this.#findReplaced(batch);
      await this.#meta.write(operations, { sync: true });
    } catch (error) {
      // The objects are durable: they go into the index with the next batch.
      this.#unindexed = [...batch, ...this.#unindexed];
      throw error;
    }
    this.#forget(batch);
    for (const { type, digest } of healed) this.#quarantined.delete(objectName(type, digest));
    for (const { oldSequence, newSequence } of replaced) this.#onReplaced(oldSequence, newSequence);
  }

  /** Objects of a batch that the index has already under another sequence number. */
  async #findReplaced(batch: readonly IndexEntry[]): Promise<Replaced[]> {
    const replaced: Replaced[] = [];
    for (const type of new Set(batch.map((entry) => entry.type))) {
      const entries = batch.filter((entry) => entry.type === type);
      const digests = entries.map(({ digest }) => digest);
      for (const [index, oldSequence] of (await findSequences(this.#meta, type, digests)).entries()) {
        const newSequence = entries[index]?.sequence;
        if (oldSequence !== undefined && newSequence !== undefined) replaced.push({ oldSequence, newSequence });
      }
    }
    return replaced;
  }

  #forget(batch: readonly IndexEntry[]): void {
    for (const { type, digest } of batch) this.#inFlight.delete(objectName(type, digest));
  }
}

function ignore(): void {
  // Others have the result; the log goes on either way.
}
