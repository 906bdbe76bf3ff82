import type { Progress } from '../protocol/api.js';
import type { IndexEntry } from './index-entries.js';
import { compactRange, CompactRanges } from './compact-range.js';
import { digestKey, objectKey, objectName, sequenceKey } from './keys.js';
import type { KvOperation } from './kv.js';
import { findSequences, indexEntries } from './object-index.js';
import type { ObjectStore } from './object-store.js';
import type { SequenceSet } from './sequence-set.js';

/** Objects deleted in one step. */
const SWEEP_BATCH = 4096;

export interface SweepOptions {
  /** Objects from this sequence number on stay. */
  readonly watermark: number;
  /** So do these… */
  readonly marked: SequenceSet;
  /** …and these, by name, which are referred to and have no entry in the index: rebuilding it may bring them back. */
  readonly missing: { has(name: string): boolean };
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/** The second half of a collection: deletes what was not marked. */
export class Sweep {
  readonly #store: ObjectStore;
  readonly #options: SweepOptions;
  readonly #ranges = new CompactRanges();
  #batch: IndexEntry[] = [];
  #objects = 0;
  #deletedObjects = 0;
  #deletedBytes = 0;

  constructor(store: ObjectStore, options: SweepOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * Delete records of shadow copies before anything that they refer to: one that was never listed has no tombstone,
   * and rebuilding must not find it with half of its chunks gone.
   */
  async deleteRecords(records: readonly IndexEntry[]): Promise<void> {
    for (const entry of records) {
      if (entry.sequence < this.#options.watermark && !this.#isLive(entry)) await this.#delete(entry);
    }
    await this.#flush();
  }

  /** @throws what the signal was aborted with */
  async run(): Promise<{ readonly objects: number; readonly deletedObjects: number; readonly deletedBytes: number }> {
    for await (const { sequence, entry } of indexEntries(this.#store.meta)) {
      // An object whose entry is damaged can't be taken out of the index by its digest, so it stays.
      if (sequence === undefined) continue;
      if (sequence >= this.#options.watermark) break;
      if (entry === undefined || this.#isLive(entry)) {
        this.#objects++;
        this.#ranges.noteLive(entry?.storedBytes ?? 0);
      } else {
        this.#ranges.noteDeleted(sequence, entry.storedBytes);
        await this.#delete(entry);
      }
    }
    await this.#flush();
    await this.#compact();
    return { objects: this.#objects, deletedObjects: this.#deletedObjects, deletedBytes: this.#deletedBytes };
  }

  #isLive(entry: IndexEntry): boolean {
    return this.#options.marked.has(entry.sequence) || this.#options.missing.has(objectName(entry.type, entry.digest));
  }

  async #delete(entry: IndexEntry): Promise<void> {
    this.#objects++;
    this.#batch.push(entry);
    if (this.#batch.length >= SWEEP_BATCH) await this.#flush();
  }

  /**
   * Delete a batch: digests go first, durably, then the objects, and their sequence entries last, so that a
   * crash leaves nothing that points at a deleted object, and the next collection finds what is left.
   */
  async #flush(): Promise<void> {
    const { signal, progress } = this.#options;
    signal.throwIfAborted();
    const { meta, objects, log } = this.#store;
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length === 0) return;
    await log.exclusively(async () => {
      await meta.write(await this.#digestDeletions(batch), { sync: true });
    });
    await objects.write(deletions(batch, objectKey), { sync: true });
    await meta.write(deletions(batch, sequenceKey), { sync: false });
    this.#deletedObjects += batch.length;
    this.#deletedBytes += batch.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    progress({ what: 'deleting', doneBytes: this.#deletedBytes });
  }

  /** Digests that point at another object by now were stored again; they stay. */
  async #digestDeletions(batch: readonly IndexEntry[]): Promise<KvOperation[]> {
    const operations: KvOperation[] = [];
    for (const type of new Set(batch.map((entry) => entry.type))) {
      const entries = batch.filter((entry) => entry.type === type);
      const current = await findSequences(
        this.#store.meta,
        type,
        entries.map(({ digest }) => digest),
      );
      for (const [index, { digest, sequence }] of entries.entries()) {
        if (current[index] === sequence) operations.push({ type: 'del', key: digestKey(type, digest) });
      }
    }
    return operations;
  }

  /** What a collection before had no room to compact is compacted now. */
  async #compact(): Promise<void> {
    const { signal, progress } = this.#options;
    const { objects, uncompacted } = this.#store;
    uncompacted.push(...this.#ranges.all);
    for (let next = uncompacted[0]; next !== undefined; next = uncompacted[0]) {
      progress({ what: `compacting, ${uncompacted.length} left`, doneBytes: 0 });
      signal.throwIfAborted();
      await compactRange(objects, next);
      uncompacted.shift();
    }
  }
}

function deletions(entries: readonly IndexEntry[], keyOf: (sequence: number) => Buffer): KvOperation[] {
  return entries.map(({ sequence }) => ({ type: 'del', key: keyOf(sequence) }));
}
