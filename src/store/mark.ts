import { ObjectType, type ObjectType as Type } from '../codec/formats.js';
import { isEmptyDigest } from '../codec/digest.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { decodeInner, decodeLeaf, regionCount, treeHeight } from '../tree/node.js';
import type { Listing } from './catalog.js';
import { objectName } from './keys.js';
import type { KvReader } from './kv.js';
import { findSequences } from './object-index.js';
import type { BulkReader } from './object-reader.js';
import type { DamagedObject } from './object-store.js';
import { parseShadowCopyRecord, type VolumeRecord } from './records.js';
import type { SequenceSet } from './sequence-set.js';

/** Nodes looked up and read at once. */
const BATCH_NODES = 64;

/** Nodes of one level that are to be marked. */
interface PendingNodes {
  readonly level: number;
  readonly digests: Uint8Array[];
}

/**
 * Marks everything that shadow copies refer to. Each distinct node is read once: a node whose sequence number is
 * marked has its whole subtree marked.
 */
export class Marker {
  readonly #meta: KvReader;
  readonly #reader: BulkReader;
  readonly #marked: SequenceSet;
  readonly #signal: AbortSignal;
  readonly #missing = new Map<string, DamagedObject>();

  constructor(options: {
    readonly meta: KvReader;
    readonly reader: BulkReader;
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
      for (const bytes of await this.#markNodes(ObjectType.record, [listing.record])) {
        for (const volume of parseShadowCopyRecord(bytes).volumes) await this.#markTree(volume);
      }
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

  /** Depth first, so that few nodes wait, and as many at once as wait on one level. */
  async #markTree(volume: VolumeRecord): Promise<void> {
    if (isEmptyDigest(volume.root)) return;
    const pending: PendingNodes[] = [{ digests: [volume.root], level: treeHeight(regionCount(volume.sizeBytes)) }];
    for (let nodes = pending.pop(); nodes !== undefined; nodes = pending.pop()) {
      this.#signal.throwIfAborted();
      const { digests, level } = nodes;
      const batch = digests.splice(-BATCH_NODES);
      if (digests.length > 0) pending.push(nodes);
      const read = await this.#markNodes(level === 0 ? ObjectType.leaf : ObjectType.inner, batch);
      if (read.length === 0) continue;
      if (level === 0) await this.#markChunks(read);
      else pending.push({ digests: read.flatMap((node) => childrenOf(node, level)), level: level - 1 });
    }
  }

  async #markChunks(leaves: readonly Buffer[]): Promise<void> {
    const digests = leaves.flatMap((leaf) => decodeLeaf(leaf).map((chunk) => chunk.digest));
    const sequences = await findSequences(this.#meta, ObjectType.chunk, digests);
    for (const [index, digest] of digests.entries()) {
      const sequence = sequences[index];
      if (sequence !== undefined) this.#marked.add(sequence);
      else this.#missing.set(objectName(ObjectType.chunk, digest), { type: ObjectType.chunk, digest });
    }
  }

  /** @returns those that were not marked before */
  async #markNodes(type: Type, digests: readonly Uint8Array[]): Promise<Buffer[]> {
    const sequences = await findSequences(this.#meta, type, digests);
    const fresh: Uint8Array[] = [];
    for (const [index, digest] of digests.entries()) {
      const sequence = sequences[index];
      if (sequence === undefined) throw await this.#reader.reportDamage(type, digest, 'it is not in the index');
      if (this.#marked.add(sequence)) fresh.push(digest);
    }
    return fresh.length === 0 ? [] : await this.#reader.readMany(type, fresh);
  }
}

function childrenOf(node: Buffer, level: number): Uint8Array[] {
  return decodeInner(node, level).filter((child) => child !== undefined);
}
