import { ObjectType } from '../codec/formats.js';
import { makeCompressor, type CompressionSettings, type Compressor } from '../codec/compression.js';
import { digestOf } from '../codec/digest.js';
import { encodeFrame } from '../codec/frame.js';
import type { FrameSeal } from '../codec/frame-seal.js';
import { UmbraError } from '../common/errors.js';
import type { ObjectLog } from './object-log.js';
import { SequenceSet } from './sequence-set.js';

/** What a session needs of the store. */
export interface SessionStore {
  readonly log: ObjectLog;
  readonly compression: CompressionSettings;
  /** Of an encrypted store. */
  readonly seal: FrameSeal | undefined;
  /** Which objects are stored, and not condemned by a running collection; those are added to `pins` in the same instant. */
  find(type: ObjectType, digests: readonly Uint8Array[], pins: SequenceSet): Promise<boolean[]>;
  /** What objects take compressed; undefined for those that are not there. */
  storedBytes(type: ObjectType, digests: readonly Uint8Array[]): Promise<(number | undefined)[]>;
  /** Asks to take in so many bytes of chunks. @throws {UmbraError} STORE_FULL while there is too little room */
  admit(bytes: number): Promise<void>;
  /** The session is over. */
  release(session: IngestSession): void;
}

/** A chunk as a worker packed it. */
export interface PackedObject {
  readonly type: ObjectType;
  readonly digest: Uint8Array;
  readonly plainBytes: number;
  readonly frame: Uint8Array;
}

/**
 * One backup's writing. Everything it wrote, or was told the store has, is pinned: no collection deletes it
 * until the session commits or is given up.
 */
export class IngestSession {
  readonly #store: SessionStore;
  readonly #failuresBefore: number;
  readonly #pins = new SequenceSet();
  #compressor: Compressor | undefined;
  #open = true;

  constructor(store: SessionStore) {
    this.#store = store;
    this.#failuresBefore = store.log.failures;
  }

  get pins(): SequenceSet {
    return this.#pins;
  }

  /** Which of these objects the store has; those are pinned. */
  async find(type: ObjectType, digests: readonly Uint8Array[]): Promise<boolean[]> {
    this.#assertOpen();
    const found = await this.#store.find(type, digests, this.#pins);
    this.#assertOpen();
    return found;
  }

  /** What objects take compressed that were added, or found; undefined for those that are gone. */
  storedBytes(type: ObjectType, digests: readonly Uint8Array[]): Promise<(number | undefined)[]> {
    return this.#store.storedBytes(type, digests);
  }

  /**
   * Add an object whose frame is made; resolves when there is room for the next.
   * @returns its sequence number
   */
  async add(object: PackedObject): Promise<number> {
    this.#assertOpen();
    // What is small goes on: without it nothing could be deleted, and nothing noted.
    if (object.type === ObjectType.chunk) await this.#store.admit(object.frame.length);
    const sequence = this.#store.log.add(object);
    this.#pins.add(sequence);
    await this.#store.log.room();
    this.#store.log.assertNoFailure(this.#failuresBefore);
    return sequence;
  }

  /**
   * Add a small object, unless the store has it.
   * @returns its digest, and whether it is new with its frame's length
   */
  async addPlain(
    type: ObjectType,
    plain: Uint8Array,
  ): Promise<{ readonly digest: Uint8Array; readonly newBytes: number }> {
    const digest = digestOf(plain);
    const [found] = await this.find(type, [digest]);
    if (found === true) return { digest, newBytes: 0 };
    const frame = this.#frame(type, plain, digest);
    await this.add({ type, digest, plainBytes: plain.length, frame });
    return { digest, newBytes: frame.length };
  }

  /**
   * Add a record, a tombstone or settings, also where the store has the same: which of the first two came last tells
   * whether the shadow copy is deleted, and the last settings are those that hold.
   */
  async addLast(
    type: typeof ObjectType.record | typeof ObjectType.tombstone | typeof ObjectType.settings,
    plain: Uint8Array,
  ): Promise<{ readonly digest: Uint8Array; readonly sequence: number }> {
    const digest = digestOf(plain);
    const frame = this.#frame(type, plain, digest);
    return { digest, sequence: await this.add({ type, digest, plainBytes: plain.length, frame }) };
  }

  /**
   * Everything added so far is durable and indexed when this resolves.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED
   */
  async barrier(): Promise<void> {
    this.#assertOpen();
    await this.#store.log.barrier(this.#failuresBefore);
  }

  /** Idempotent. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    // It is 44 KiB, and who wrote may be kept for a while.
    this.#compressor = undefined;
    this.#store.release(this);
  }

  #frame(type: ObjectType, plain: Uint8Array, digest: Uint8Array): Buffer {
    this.#compressor ??= makeCompressor(this.#store.compression);
    const frame = encodeFrame(type, plain, this.#compressor, digest);
    return this.#store.seal?.seal(frame, type, digest) ?? frame;
  }

  #assertOpen(): void {
    if (!this.#open) throw new UmbraError('CANCELLED', 'the backup was given up');
  }
}
