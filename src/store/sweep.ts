import type { Progress } from '../protocol/api.js';
import type { IndexEntry } from './index-entries.js';
import { digestKey, objectKey, objectName, sequenceKey } from './keys.js';
import type { KvOperation } from './kv.js';
import { findSequences, indexEntries } from './object-index.js';
import type { ObjectStore } from './object-store.js';
import type { SequenceSet } from './sequence-set.js';

/** Objects deleted in one step. */
const SWEEP_BATCH = 4096;
/** Deleted objects with less than so many bytes of live ones between them are compacted as one range. */
const COMPACT_GAP_BYTES = 64 * 1024 * 1024;

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

interface SweepRange {
  readonly first: number;
  last: number;
  /** Bytes of live objects since `last`. */
  gapBytes: number;
}

/** The second half of a collection: deletes what was not marked. */
export class Sweep {
  readonly #store: ObjectStore;
  readonly #options: SweepOptions;
  readonly #ranges: SweepRange[] = [];
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
        this.#noteLive(entry?.storedBytes ?? 0);
      } else {
        this.#noteDeleted(sequence);
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

  #noteDeleted(sequence: number): void {
    const range = this.#ranges.at(-1);
    if (range === undefined || range.gapBytes > COMPACT_GAP_BYTES) {
      this.#ranges.push({ first: sequence, last: sequence, gapBytes: 0 });
    } else {
      range.last = sequence;
      range.gapBytes = 0;
    }
  }

  #noteLive(bytes: number): void {
    const range = this.#ranges.at(-1);
    if (range !== undefined) range.gapBytes += bytes;
  }

  async #compact(): Promise<void> {
    const { signal, progress } = this.#options;
    for (const [index, { first, last }] of this.#ranges.entries()) {
      progress({ what: `compacting ${index + 1} of ${this.#ranges.length}`, doneBytes: 0 });
      signal.throwIfAborted();
      await this.#store.objects.compact(objectKey(first), objectKey(last));
    }
  }
}

function deletions(entries: readonly IndexEntry[], keyOf: (sequence: number) => Buffer): KvOperation[] {
  return entries.map(({ sequence }) => ({ type: 'del', key: keyOf(sequence) }));
}
