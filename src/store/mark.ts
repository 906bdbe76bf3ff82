import { ObjectType, type ObjectType as Type } from '../codec/formats.js';
import { isEmptyDigest } from '../codec/digest.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { decodeInner, decodeLeaf, regionCount, treeHeight } from '../tree/node.js';
import type { Listing } from './catalog.js';
import { objectName } from './keys.js';
import type { KvReader } from './kv.js';
import { findSequences } from './object-index.js';
import type { ObjectReader } from './object-reader.js';
import type { DamagedObject } from './object-store.js';
import { parseShadowCopyRecord, type VolumeRecord } from './records.js';
import type { SequenceSet } from './sequence-set.js';

interface PendingNode {
  readonly digest: Uint8Array;
  readonly level: number;
}

/**
 * Marks everything that shadow copies refer to. Each distinct node is walked once: a node whose sequence number is
 * marked has its whole subtree marked.
 */
export class Marker {
  readonly #meta: KvReader;
  readonly #reader: ObjectReader;
  readonly #marked: SequenceSet;
  readonly #signal: AbortSignal;
  readonly #missing = new Map<string, DamagedObject>();

  constructor(options: {
    readonly meta: KvReader;
    readonly reader: ObjectReader;
    readonly marked: SequenceSet;
    readonly signal: AbortSignal;
  }) {
    this.#meta = options.meta;
    this.#reader = options.reader;
    this.#marked = options.marked;
    this.#signal = options.signal;
  }

  /** Chunks, by name, that shadow copies refer to and the index does not have. */
  get missing(): ReadonlyMap<string, DamagedObject> {
    return this.#missing;
  }

  /**
   * Mark a shadow copy's record, nodes and chunks.
   * @throws {UmbraError} STORE_DAMAGED for a record or node that can't be read: nobody knows what it keeps alive
   */
  async mark(listing: Listing): Promise<void> {
    try {
      if (!(await this.#add(ObjectType.record, listing.record))) return;
      const record = parseShadowCopyRecord(await this.#reader.read(ObjectType.record, listing.record));
      for (const volume of record.volumes) await this.#markTree(volume);
    } catch (cause) {
      if (!isUmbraError(cause, 'STORE_DAMAGED')) throw cause;
      throw new UmbraError(
        'STORE_DAMAGED',
        `nothing was collected, since ${listing.machine}@${listing.name} is damaged: ${cause.message}`,
        {
          hint: `Back up ${listing.machine} again, which heals what its disks still hold, or forget that shadow copy.`,
          cause,
        },
      );
    }
  }

  async #markTree(volume: VolumeRecord): Promise<void> {
    if (isEmptyDigest(volume.root)) return;
    const pending: PendingNode[] = [{ digest: volume.root, level: treeHeight(regionCount(volume.sizeBytes)) }];
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      this.#signal.throwIfAborted();
      const { digest, level } = node;
      const type = level === 0 ? ObjectType.leaf : ObjectType.inner;
      if (!(await this.#add(type, digest))) continue;
      const bytes = await this.#reader.read(type, digest);
      if (level === 0) await this.#markChunks(bytes);
      else
        for (const child of decodeInner(bytes, level))
          if (child !== undefined) pending.push({ digest: child, level: level - 1 });
    }
  }

  async #markChunks(leaf: Buffer): Promise<void> {
    const digests = decodeLeaf(leaf).map((chunk) => chunk.digest);
    const sequences = await findSequences(this.#meta, ObjectType.chunk, digests);
    for (const [index, digest] of digests.entries()) {
      const sequence = sequences[index];
      if (sequence !== undefined) this.#marked.add(sequence);
      else this.#missing.set(objectName(ObjectType.chunk, digest), { type: ObjectType.chunk, digest });
    }
  }

  /** @returns true if the object was not marked before */
  async #add(type: Type, digest: Uint8Array): Promise<boolean> {
    const [sequence] = await findSequences(this.#meta, type, [digest]);
    if (sequence === undefined) throw await this.#reader.reportDamage(type, digest, 'it is not in the index');
    return this.#marked.add(sequence);
  }
}
