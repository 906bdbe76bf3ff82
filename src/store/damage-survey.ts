import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../codec/formats.js';
import { EMPTY_DIGEST, isEmptyDigest } from '../codec/digest.js';
import { isUmbraError } from '../common/errors.js';
import type { ByteRange, DamagedRange } from '../protocol/api.js';
import { decodeInner, decodeLeaf, regionCount, regionsBelow, treeHeight, type ChunkRef } from '../tree/node.js';
import { objectName } from './keys.js';
import type { KvReader } from './kv.js';
import { findSequences } from './object-index.js';
import type { ObjectReader } from './object-reader.js';
import { SequenceSet } from './sequence-set.js';

/** A stretch of a volume that can't be read, and the object for which it can't. */
export interface DamagedPlace extends ByteRange {
  readonly kind: DamagedRange['kind'];
  readonly type: ObjectType;
  readonly digest: Uint8Array;
}

/** What a survey needs of the objects. */
export interface SurveyedObjects {
  readonly meta: KvReader;
  readonly reader: ObjectReader;
  /** The names of the objects that are known to be damaged. */
  readonly quarantined: ReadonlySet<string>;
  /** Another number whenever an object more is known to be damaged. */
  readonly damageEpoch: number;
}

interface Tree {
  readonly root: Uint8Array;
  readonly sizeBytes: number;
}

/** So many regions fit into a frame of an upload many times over; a volume that has lost more is read as a whole. */
const MOST_REGIONS = 2048;

/** Where a rebuild has lost it knows not what. */
const NAMELESS = objectName(ObjectType.chunk, EMPTY_DIGEST);

/**
 * Says what damaged objects mean for volumes. A node is looked at once, in however many shadow copies it is: it remembers, a bit for
 * each, below which nothing is damaged, until something else is found damaged. What heals needs no second look.
 */
export class DamageSurvey {
  readonly #objects: SurveyedObjects;
  #whole = new SequenceSet();
  #epoch = 0;

  constructor(objects: SurveyedObjects) {
    this.#objects = objects;
  }

  /** True if something was lost and nobody knows what: anything may be missing anywhere. */
  get isUnsure(): boolean {
    return this.#objects.quarantined.has(NAMELESS);
  }

  /**
   * What is damaged in a volume, in its order.
   * @throws {UmbraError} STORE_FAILED; what `signal` was aborted with
   */
  async *placesIn(tree: Tree, signal?: AbortSignal): AsyncGenerator<DamagedPlace> {
    const { quarantined, damageEpoch } = this.#objects;
    if (quarantined.size === 0 || isEmptyDigest(tree.root)) return;
    if (this.#epoch !== damageEpoch) {
      this.#whole = new SequenceSet();
      this.#epoch = damageEpoch;
    }
    const height = treeHeight(regionCount(tree.sizeBytes));
    const walk = new Walk(this.#objects, this.#whole, tree.sizeBytes, signal);
    yield* walk.node(tree.root, height, 0);
  }

  /**
   * The regions of a volume that have to be read again where they come from, in order.
   * @returns `all` if it can't be told, or they are too many
   * @throws {UmbraError} STORE_FAILED
   */
  async regionsToReread(tree: Tree): Promise<ReadonlySet<number> | 'all'> {
    if (this.isUnsure) return 'all';
    const regions = new Set<number>();
    for await (const { kind, offset } of this.placesIn(tree)) {
      if (kind === 'node' || regions.size >= MOST_REGIONS) return 'all';
      regions.add(Math.floor(offset / REGION_BYTES));
    }
    return regions;
  }

  /** True if something of a volume is damaged, or may be. @throws {UmbraError} STORE_FAILED */
  async isTouched(tree: Tree, signal?: AbortSignal): Promise<boolean> {
    if (this.isUnsure) return true;
    for await (const place of this.placesIn(tree, signal)) if (place.length > 0) return true;
    return false;
  }
}

type Children = readonly (Uint8Array | undefined)[];
type Node = { readonly chunks: readonly ChunkRef[] } | { readonly children: Children };

/** One walk over a volume's tree. */
class Walk {
  readonly #objects: SurveyedObjects;
  readonly #whole: SequenceSet;
  readonly #sizeBytes: number;
  readonly #signal: AbortSignal | undefined;

  constructor(objects: SurveyedObjects, whole: SequenceSet, sizeBytes: number, signal: AbortSignal | undefined) {
    this.#objects = objects;
    this.#whole = whole;
    this.#sizeBytes = sizeBytes;
    this.#signal = signal;
  }

  /** @returns true if nothing below the node is damaged */
  async *node(digest: Uint8Array, level: number, firstRegion: number): AsyncGenerator<DamagedPlace, boolean> {
    this.#signal?.throwIfAborted();
    const type = level === 0 ? ObjectType.leaf : ObjectType.inner;
    const [sequence] = await findSequences(this.#objects.meta, type, [digest]);
    if (sequence !== undefined && this.#whole.has(sequence)) return true;
    const node = await this.#read(type, digest, level);
    if (node === undefined) {
      const range = { offset: firstRegion * REGION_BYTES, length: regionsBelow(level) * REGION_BYTES };
      yield this.#place(range, { kind: 'node', type, digest });
      return false;
    }
    const below =
      'chunks' in node ? this.#leaf(node.chunks, firstRegion) : this.#inner(node.children, level, firstRegion);
    const isWhole = yield* below;
    if (isWhole && sequence !== undefined) this.#whole.add(sequence);
    return isWhole;
  }

  async *#inner(children: Children, level: number, firstRegion: number): AsyncGenerator<DamagedPlace, boolean> {
    let isWhole = true;
    const below = regionsBelow(level - 1);
    for (const [index, child] of children.entries()) {
      if (child === undefined) continue;
      if (!(yield* this.node(child, level - 1, firstRegion + index * below))) isWhole = false;
    }
    return isWhole;
  }

  *#leaf(chunks: readonly ChunkRef[], region: number): Generator<DamagedPlace, boolean> {
    let isWhole = true;
    for (const { firstBlock, blocks, digest } of chunks) {
      if (!this.#objects.quarantined.has(objectName(ObjectType.chunk, digest))) continue;
      isWhole = false;
      const range = { offset: region * REGION_BYTES + firstBlock * BLOCK_BYTES, length: blocks * BLOCK_BYTES };
      yield this.#place(range, { kind: 'chunk', type: ObjectType.chunk, digest });
    }
    return isWhole;
  }

  /** Undefined for a node that is damaged, also if a cache has it: it is gone when the server ends. */
  async #read(type: ObjectType, digest: Uint8Array, level: number): Promise<Node | undefined> {
    if (this.#objects.quarantined.has(objectName(type, digest))) return undefined;
    try {
      const bytes = await this.#objects.reader.read(type, digest);
      return level === 0 ? { chunks: decodeLeaf(bytes) } : { children: decodeInner(bytes, level) };
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
      throw error;
    }
  }

  #place({ offset, length }: ByteRange, what: Omit<DamagedPlace, keyof ByteRange>): DamagedPlace {
    return {
      offset,
      length: Math.min(length, this.#sizeBytes - offset),
      ...what,
      digest: Uint8Array.from(what.digest),
    };
  }
}
