import { ObjectType, type ObjectType as Type } from '../codec/formats.js';
import { isEmptyDigest } from '../codec/digest.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { decodeInner, decodeLeaf, regionCount, treeHeight, type ChunkRef } from '../tree/node.js';
import type { Listing } from './catalog.js';
import { objectName } from './keys.js';
import type { KvReader } from './kv.js';
import { findSequences } from './object-index.js';
import type { BulkReader } from './object-reader.js';
import type { DamagedObject } from './object-store.js';
import { parseShadowCopyRecord } from './records.js';
import type { SequenceSet } from './sequence-set.js';

/** Objects looked up and read at once: a question to LevelDB takes as long for one. */
const BATCH_OBJECTS = 64;

/** Something that a shadow copy refers to, which is named if it can't be read. */
interface Referred {
  readonly digest: Uint8Array;
  readonly by: Listing;
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
   * Mark records, nodes and chunks of shadow copies, side by side: each has a few nodes of its own.
   * @param begins told of the first of those that come next
   * @throws {UmbraError} STORE_DAMAGED for a record or node that can't be read: nobody knows what it keeps alive
   */
  async mark(listings: readonly Listing[], begins: (listing: Listing) => void = () => undefined): Promise<void> {
    for (let first = 0; first < listings.length; first += BATCH_OBJECTS) {
      const some = listings.slice(first, first + BATCH_OBJECTS);
      for (const listing of some.slice(0, 1)) begins(listing);
      await this.#markTrees(await this.#rootsOf(some));
    }
  }

  /** The roots of their volumes, by level. */
  async #rootsOf(listings: readonly Listing[]): Promise<Referred[][]> {
    const levels: Referred[][] = [];
    const records = listings.map((by) => ({ digest: by.record, by }));
    for (const { bytes, by } of await this.#readUnmarked(ObjectType.record, records)) {
      for (const { root, sizeBytes } of blaming(by, () => parseShadowCopyRecord(bytes).volumes)) {
        if (!isEmptyDigest(root)) (levels[treeHeight(regionCount(sizeBytes))] ??= []).push({ digest: root, by });
      }
    }
    return levels;
  }

  /** The lowest first, so that few nodes wait. */
  async #markTrees(levels: Referred[][]): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      const level = levels.findIndex((waiting?: readonly Referred[]) => waiting !== undefined && waiting.length > 0);
      if (level === -1) return;
      const nodes = levels[level]?.splice(-BATCH_OBJECTS) ?? [];
      const read = await this.#readUnmarked(level === 0 ? ObjectType.leaf : ObjectType.inner, nodes);
      if (level === 0) {
        await this.#markChunks(read.flatMap(({ bytes, by }) => blaming(by, () => decodeLeaf(bytes))));
        continue;
      }
      const below = (levels[level - 1] ??= []);
      for (const { bytes, by } of read) {
        for (const digest of blaming(by, () => decodeInner(bytes, level))) {
          if (digest !== undefined) below.push({ digest, by });
        }
      }
    }
  }

  async #markChunks(chunks: readonly ChunkRef[]): Promise<void> {
    const digests = chunks.map(({ digest }) => digest);
    const sequences = await findSequences(this.#meta, ObjectType.chunk, digests);
    for (const [index, digest] of digests.entries()) {
      const sequence = sequences[index];
      if (sequence !== undefined) this.#marked.add(sequence);
      else this.#missing.set(objectName(ObjectType.chunk, digest), { type: ObjectType.chunk, digest });
    }
  }

  /** Mark objects. @returns those that were not marked before */
  async #readUnmarked(type: Type, objects: readonly Referred[]): Promise<(Referred & { readonly bytes: Buffer })[]> {
    const sequences = await findSequences(
      this.#meta,
      type,
      objects.map(({ digest }) => digest),
    );
    const fresh: Referred[] = [];
    for (const [index, object] of objects.entries()) {
      const sequence = sequences[index];
      if (sequence === undefined) {
        throw blamed(object.by, await this.#reader.reportDamage(type, object.digest, 'it is not in the index'));
      }
      if (this.#marked.add(sequence)) fresh.push(object);
    }
    const read = await this.#reader.readMany(
      type,
      fresh.map(({ digest }) => digest),
    );
    return fresh.flatMap((object, index) => {
      const bytes = read[index];
      if (bytes instanceof UmbraError) throw blamed(object.by, bytes);
      return bytes === undefined ? [] : [{ ...object, bytes }];
    });
  }
}

/** @throws what `read` throws; of damage, whose it is */
function blaming<T>(by: Listing, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw blamed(by, error);
  }
}

function blamed({ machine, name }: Listing, cause: unknown): unknown {
  if (!isUmbraError(cause, 'STORE_DAMAGED')) return cause;
  return new UmbraError(
    'STORE_DAMAGED',
    `nothing was collected, since ${machine}@${name} is damaged: ${cause.message}`,
    {
      hint: `Back up ${machine} again, which heals what its disks still hold, or forget that shadow copy.`,
      cause,
    },
  );
}
