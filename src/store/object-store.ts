import type { ObjectType } from '../codec/formats.js';
import type { CompressionSettings } from '../codec/compression.js';
import type { Clock } from '../common/clock.js';
import { findSequences, quarantine } from './object-index.js';
import type { KvStore } from './kv.js';
import { ObjectLog } from './object-log.js';
import { StoredObjectReader, type ObjectReader } from './object-reader.js';
import type { SequenceSet } from './sequence-set.js';
import { IngestSession } from './session.js';

const NODE_CACHE_BYTES = 32 * 1024 * 1024;

/** What a running collection tells the store. */
export interface CollectionGuard {
  /** True once an object is to be deleted: a look-up that finds it is a miss. */
  isCondemned(sequence: number): boolean;
  /** A session ended; what it pinned must survive this collection. */
  keep(pins: SequenceSet): void;
}

export interface ObjectStoreOptions {
  readonly objects: KvStore;
  readonly meta: KvStore;
  readonly compression: CompressionSettings;
  readonly clock: Clock;
  readonly nextSequence: number;
  readonly highWater: number;
  readonly quarantinedObjects: number;
}

/** The objects of a store: reading, sessions that write, and what collection needs. */
export class ObjectStore {
  readonly objects: KvStore;
  readonly meta: KvStore;
  readonly log: ObjectLog;
  readonly reader: ObjectReader;
  readonly sessions = new Set<IngestSession>();
  readonly #compression: CompressionSettings;
  #guard: CollectionGuard | undefined;
  #epoch = 0;
  #quarantined: number;

  constructor(options: ObjectStoreOptions) {
    const { objects, meta, clock } = options;
    this.objects = objects;
    this.meta = meta;
    this.#compression = options.compression;
    this.#quarantined = options.quarantinedObjects;
    this.log = new ObjectLog({ ...options, isQuarantined: () => this.#quarantined > 0 });
    this.reader = new StoredObjectReader({
      objects,
      meta,
      nodeCacheBytes: NODE_CACHE_BYTES,
      quarantine: async (type, digest, reason) => {
        this.#quarantined++;
        await this.log.exclusively(() => quarantine(meta, { type, digest, reason, timeMs: clock.now() }));
      },
    });
  }

  /** True while some object is known to be damaged: then what a shadow copy refers to may be missing. */
  get hasDamage(): boolean {
    return this.#quarantined > 0;
  }

  /** Say how many objects are in quarantine, once that was counted. */
  setQuarantined(count: number): void {
    this.#quarantined = count;
  }

  openSession(): IngestSession {
    const session = new IngestSession({
      log: this.log,
      compression: this.#compression,
      find: (type, digests, pins) => this.#findLive(type, digests, pins),
      release: (ended) => {
        this.sessions.delete(ended);
        this.#guard?.keep(ended.pins);
      },
    });
    this.sessions.add(session);
    return session;
  }

  /** Make a collection known to look-ups, or its end. Look-ups under way across the change are done again. */
  setGuard(guard: CollectionGuard | undefined): void {
    this.#guard = guard;
    this.#epoch++;
  }

  /** Which objects are live. They are pinned without a pause after the last check, so that no collection comes between. */
  async #findLive(type: ObjectType, digests: readonly Uint8Array[], pins: SequenceSet): Promise<boolean[]> {
    for (;;) {
      const epoch = this.#epoch;
      const inFlight = digests.map((digest) => this.log.pending(type, digest));
      const stored = await findSequences(this.meta, type, digests);
      if (epoch !== this.#epoch) continue;
      return digests.map((_, index) => {
        const sequence = inFlight[index] ?? stored[index];
        if (sequence === undefined || this.#guard?.isCondemned(sequence) === true) return false;
        pins.add(sequence);
        return true;
      });
    }
  }
}
