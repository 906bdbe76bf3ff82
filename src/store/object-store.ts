import type { ObjectType } from '../codec/formats.js';
import type { CompressionSettings } from '../codec/compression.js';
import type { FrameSeal } from '../codec/frame-seal.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError } from '../common/errors.js';
import { DamageSurvey } from './damage-survey.js';
import { objectName, quarantineKey } from './keys.js';
import type { KvOperation, KvStore } from './kv.js';
import { findSequences, findStoredBytes, quarantineOperations } from './object-index.js';
import { ObjectLog } from './object-log.js';
import { StoredObjectReader } from './object-reader.js';
import type { CompactRange } from './compact-range.js';
import type { SequenceSet } from './sequence-set.js';
import { IngestSession } from './session.js';

const NODE_CACHE_BYTES = 16 * 1024 * 1024;

/** What a running collection tells the store. */
export interface CollectionGuard {
  /** True once an object is to be deleted: a look-up that finds it is a miss. */
  isCondemned(sequence: number): boolean;
  /** A session ended; what it pinned must survive this collection. */
  keep(pins: SequenceSet): void;
}

/** An object that is damaged or missing. */
export interface DamagedObject {
  readonly type: ObjectType;
  readonly digest: Uint8Array;
}

export interface ObjectStoreOptions {
  readonly objects: KvStore;
  readonly meta: KvStore;
  readonly compression: CompressionSettings;
  /** Of an encrypted store. */
  readonly seal: FrameSeal | undefined;
  readonly clock: Clock;
  readonly nextSequence: number;
  readonly highWater: number;
  /** The names of the objects in quarantine. */
  readonly quarantined: Set<string>;
  /** As {@link ObjectLog} takes it. */
  readonly syncedBytes: number | undefined;
  /** As {@link SpaceWatch} does; everything is let in without it. */
  readonly admit: ((bytes: number) => Promise<void>) | undefined;
}

/** The objects of a store: reading, sessions that write, and what collection needs. */
export class ObjectStore {
  readonly objects: KvStore;
  readonly meta: KvStore;
  readonly log: ObjectLog;
  readonly reader: StoredObjectReader;
  readonly sessions = new Set<IngestSession>();
  /** What was deleted, and still takes room. */
  readonly uncompacted: CompactRange[] = [];
  readonly #compression: CompressionSettings;
  readonly seal: FrameSeal | undefined;
  #guard: CollectionGuard | undefined;
  #epoch = 0;
  #damageEpoch = 0;
  readonly #quarantined: Set<string>;
  /** What is damaged in which volumes. */
  readonly survey: DamageSurvey;
  readonly #clock: Clock;
  readonly #admit: (bytes: number) => Promise<void>;

  constructor(options: ObjectStoreOptions) {
    const { objects, meta, clock } = options;
    this.objects = objects;
    this.meta = meta;
    this.#compression = options.compression;
    this.seal = options.seal;
    this.#quarantined = options.quarantined;
    this.#clock = clock;
    this.#admit = options.admit ?? (() => Promise.resolve());
    this.log = new ObjectLog({
      ...options,
      onReplaced: (oldSequence, newSequence) => {
        this.#pinReplacement(oldSequence, newSequence);
      },
    });
    this.reader = new StoredObjectReader({
      objects,
      meta,
      seal: options.seal,
      nodeCacheBytes: NODE_CACHE_BYTES,
      quarantine: (object) => this.#quarantine(object),
    });
    this.survey = new DamageSurvey(this);
  }

  /** True while some object is known to be damaged: then what a shadow copy refers to may be missing. */
  get hasDamage(): boolean {
    return this.#quarantined.size > 0;
  }

  /** The names of the objects that are known to be damaged. */
  get quarantined(): ReadonlySet<string> {
    return this.#quarantined;
  }

  /** Another number whenever an object more is known to be damaged. */
  get damageEpoch(): number {
    return this.#damageEpoch;
  }

  /**
   * Bring the quarantine in line with what a collection found: `missing` is what shadow copies refer to and the index
   * does not have; of the names in `before`, those that nothing refers to any more go.
   */
  async settleQuarantine(before: ReadonlySet<string>, missing: ReadonlyMap<string, DamagedObject>): Promise<void> {
    await this.log.exclusively(async () => {
      const operations: KvOperation[] = [];
      for (const name of before) {
        if (missing.has(name) || !this.#quarantined.delete(name)) continue;
        operations.push({ type: 'del', key: quarantineKeyOf(name) });
      }
      for (const [name, { type, digest }] of missing) {
        const [sequence] = await findSequences(this.meta, type, [digest]);
        if (sequence !== undefined || this.#quarantined.has(name)) continue;
        this.#addDamaged(name);
        operations.push(...this.#quarantineOperations(type, digest, 'it is not in the index'));
      }
      if (operations.length > 0) await this.meta.write(operations, { sync: true });
    });
  }

  /** Refuse to begin what takes something in. @throws {UmbraError} STORE_FULL while there is too little room */
  assertRoom(): Promise<void> {
    return this.#admit(0);
  }

  openSession(): IngestSession {
    const session = new IngestSession({
      log: this.log,
      compression: this.#compression,
      seal: this.seal,
      find: (type, digests, pins) => this.#findLive(type, digests, pins),
      storedBytes: (type, digests) => this.#storedBytes(type, digests),
      admit: (bytes) => this.#admit(bytes),
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

  /**
   * Who pinned an object that is found under another sequence number from now on pins that one too: a collection would
   * delete it with its index entry. Look-ups under way are done again, since they may have seen the old number.
   */
  #pinReplacement(oldSequence: number, newSequence: number): void {
    for (const { pins } of this.sessions) if (pins.has(oldSequence)) pins.add(newSequence);
    this.#epoch++;
  }

  /** Nothing is done if another object stands there by now: someone stored the content again. */
  async #quarantine({
    type,
    digest,
    sequence,
    reason,
  }: DamagedObject & { readonly sequence: number | undefined; readonly reason: string }): Promise<void> {
    const name = objectName(type, digest);
    await this.log.exclusively(async () => {
      const [current] = await findSequences(this.meta, type, [digest]);
      if (current !== sequence || (current === undefined && this.#quarantined.has(name))) return;
      this.#addDamaged(name);
      try {
        await this.meta.write(this.#quarantineOperations(type, digest, reason), { sync: true });
      } catch (error) {
        // On a full disk it is known to this process only, and found again by the next.
        if (!isUmbraError(error, 'STORE_FULL')) throw error;
      }
    });
  }

  #addDamaged(name: string): void {
    this.#quarantined.add(name);
    this.#damageEpoch++;
  }

  #quarantineOperations(type: ObjectType, digest: Uint8Array, reason: string): KvOperation[] {
    return quarantineOperations({ type, digest, reason, timeMs: this.#clock.now() });
  }

  async #storedBytes(type: ObjectType, digests: readonly Uint8Array[]): Promise<(number | undefined)[]> {
    const pending = digests.map((digest) => this.log.pendingBytes(type, digest));
    // What is no longer pending by now was in the index before it ceased to be.
    const indexed = await findStoredBytes(
      this.meta,
      type,
      digests.filter((_, index) => pending[index] === undefined),
    );
    return pending.map((bytes) => bytes ?? indexed.shift());
  }

  /** Which objects are live. They are pinned without a pause after the last check, so that no collection comes between. */
  async #findLive(type: ObjectType, digests: readonly Uint8Array[], pins: SequenceSet): Promise<boolean[]> {
    for (;;) {
      const epoch = this.#epoch;
      const inFlight = digests.map((digest) => this.log.pending(type, digest));
      const stored = await findSequences(this.meta, type, digests);
      if (epoch !== this.#epoch) continue;
      return digests.map((digest, index) => {
        const sequence = inFlight[index] ?? (this.#isQuarantined(type, digest) ? undefined : stored[index]);
        if (sequence === undefined || this.#guard?.isCondemned(sequence) === true) return false;
        pins.add(sequence);
        return true;
      });
    }
  }

  #isQuarantined(type: ObjectType, digest: Uint8Array): boolean {
    return this.#quarantined.size > 0 && this.#quarantined.has(objectName(type, digest));
  }
}

/** The key of the quarantine entry of the object with this name. */
function quarantineKeyOf(name: string): Buffer {
  return quarantineKey(Number(name.slice(0, 1)) as ObjectType, Buffer.from(name.slice(1), 'hex'));
}
