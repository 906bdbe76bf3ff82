import { toHex } from '../codec/digest.js';
import { ObjectType } from '../codec/formats.js';
import { decodeFrame, FrameError } from '../codec/frame.js';
import { openStored, type FrameSeal } from '../codec/frame-seal.js';
import { messageOf } from '../common/errors.js';
import type { VerifyResult } from '../protocol/api.js';
import type { WorkerPool } from '../workers/pool.js';
import type { IndexEntry } from './index-entries.js';
import { findSequences } from './object-index.js';
import { kindOf } from './object-reader.js';
import { SequenceSet } from './sequence-set.js';
import type { Store } from './store.js';

/** A damaged object, as verification reports it. */
export type Damage = VerifyResult['damagedObjects'][number];

/** Reads objects from disk and checks them, each once, and remembers what is damaged: bits for objects that are right. */
export class ObjectChecker {
  readonly #store: Store;
  readonly #pool: WorkerPool;
  readonly #checked = new SequenceSet();
  readonly #damaged = new Map<string, Damage>();
  #objects = 0;
  #bytes = 0;

  constructor(store: Store, pool: WorkerPool) {
    this.#store = store;
    this.#pool = pool;
  }

  /** How many objects were checked. */
  get objects(): number {
    return this.#objects;
  }

  /** Bytes of frames read. */
  get bytes(): number {
    return this.#bytes;
  }

  get damaged(): Damage[] {
    return [...this.#damaged.values()];
  }

  isDamaged(kind: string, object: string): boolean {
    return this.#damaged.has(damageKey(kind, object));
  }

  /** Remember that something is damaged; the first reason counts. */
  note(kind: string, object: string, reason: string): void {
    const key = damageKey(kind, object);
    if (!this.#damaged.has(key)) this.#damaged.set(key, { object, kind, reason });
  }

  /** Check objects of one type that the index has; those that have another entry, or none, by now are left out. */
  async checkEntries(type: ObjectType, entries: readonly IndexEntry[]): Promise<void> {
    const digests = entries.map(({ digest }) => digest);
    const current = await findSequences(this.#store.objectStore.meta, type, digests);
    const indexed = entries.filter(({ sequence }, index) => current[index] === sequence);
    await this.#check(type, indexed);
  }

  /** Check the chunks of a leaf that were not checked yet. */
  async checkChunks(digests: readonly Uint8Array[]): Promise<void> {
    const type = ObjectType.chunk;
    const sequences = await findSequences(this.#store.objectStore.meta, type, digests);
    const unseen = new Map<string, { digest: Uint8Array; sequence: number | undefined }>();
    for (const [index, digest] of digests.entries()) {
      const sequence = sequences[index];
      const name = toHex(digest);
      if (this.isDamaged(kindOf(type), name)) continue;
      if (sequence === undefined || !this.#checked.has(sequence)) unseen.set(name, { digest, sequence });
    }
    if (unseen.size > 0) await this.#check(type, [...unseen.values()]);
  }

  /**
   * The plain bytes of a node or record: the first time from disk, whatever a cache holds.
   * @throws {UmbraError} STORE_DAMAGED
   */
  async read(type: ObjectType, digest: Uint8Array): Promise<Buffer> {
    const { reader, objectStore } = this.#store;
    const [sequence] = await findSequences(objectStore.meta, type, [digest]);
    if (sequence === undefined || !this.#checked.has(sequence)) await this.#check(type, [{ digest, sequence }]);
    if (this.isDamaged(kindOf(type), toHex(digest))) throw await reader.reportDamage(type, digest, 'it is damaged');
    return reader.read(type, digest);
  }

  async #check(
    type: ObjectType,
    objects: readonly { readonly digest: Uint8Array; readonly sequence: number | undefined }[],
  ): Promise<void> {
    const results = await this.#store.reader.readFrames(
      type,
      objects.map(({ digest }) => digest),
    );
    const frames: Uint8Array[] = [];
    const present: { readonly digest: Uint8Array; readonly sequence: number | undefined }[] = [];
    for (const [index, object] of objects.entries()) {
      const result = results[index];
      this.#objects++;
      if (object.sequence !== undefined) this.#checked.add(object.sequence);
      if (result !== undefined && 'frame' in result) {
        this.#bytes += result.frame.length;
        frames.push(result.frame);
        present.push(object);
      } else {
        await this.#found(type, object, result?.fault ?? 'missing');
      }
    }
    for (const { index, reason } of await this.#faults(type, frames, present)) {
      const object = present[index];
      if (object !== undefined) await this.#found(type, object, reason);
    }
  }

  async #faults(
    type: ObjectType,
    frames: readonly Uint8Array[],
    objects: readonly { readonly digest: Uint8Array }[],
  ): Promise<readonly { readonly index: number; readonly reason: string }[]> {
    const digests = objects.map(({ digest }) => digest);
    if (type !== ObjectType.chunk) return faultsOf(type, frames, digests, this.#store.objectStore.seal);
    if (frames.length === 0) return [];
    return (await this.#pool.run({ op: 'check', frames, digests: Buffer.concat(digests) })).faults;
  }

  /** An object that was there and has gone meanwhile was collected: nobody needs it. */
  async #found(
    type: ObjectType,
    { digest, sequence }: { readonly digest: Uint8Array; readonly sequence: number | undefined },
    reason: string,
  ): Promise<void> {
    const [current] = await findSequences(this.#store.objectStore.meta, type, [digest]);
    if (current !== sequence) return;
    const error = await this.#store.reader.reportDamage(type, digest, reason);
    this.note(kindOf(type), toHex(digest), messageOf(error));
  }
}

function damageKey(kind: string, object: string): string {
  return `${kind} ${object}`;
}

function faultsOf(
  type: ObjectType,
  frames: readonly Uint8Array[],
  digests: readonly Uint8Array[],
  seal: FrameSeal | undefined,
): { index: number; reason: string }[] {
  return frames.flatMap((frame, index) => {
    try {
      decodeFrame(openStored(frame, seal), { type, digest: digests[index] ?? new Uint8Array() });
      return [];
    } catch (error) {
      if (error instanceof FrameError) return [{ index, reason: error.message }];
      throw error;
    }
  });
}
