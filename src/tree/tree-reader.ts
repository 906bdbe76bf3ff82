import { FANOUT, ObjectType } from '../codec/formats.js';
import { isEmptyDigest, sameBytes } from '../codec/digest.js';
import type { ObjectReader } from '../store/object-reader.js';
import { decodeInner, decodeLeaf, regionCount, regionsBelow, treeHeight, type ChunkRef } from './node.js';

/** What a volume tree describes. */
export interface TreeRoot {
  readonly root: Uint8Array;
  readonly sizeBytes: number;
}

/** A region that is not empty, with the digest of its leaf. */
export interface RegionLeaf {
  readonly region: number;
  readonly leaf: Uint8Array;
}

/** Walks the volume tree of one volume. */
export class TreeReader {
  readonly #reader: ObjectReader;
  readonly #root: Uint8Array;
  /**
   * The node of each level that was decoded last. Regions are mostly asked for in order, and 256 of them have one way down: a backup asks for
   * all that lie beside those that changed.
   */
  readonly #decoded = new Map<number, DecodedNode>();
  readonly regions: number;
  readonly height: number;

  constructor(reader: ObjectReader, tree: TreeRoot) {
    this.#reader = reader;
    this.#root = tree.root;
    this.regions = regionCount(tree.sizeBytes);
    this.height = treeHeight(this.regions);
  }

  /**
   * The digest of a region's leaf; undefined for an empty region, and behind the volume's end.
   * @throws {UmbraError} STORE_DAMAGED
   */
  leafDigest(region: number): Promise<Uint8Array | undefined> {
    return this.nodeDigest(0, region);
  }

  /**
   * The digest of the node at `target` (0 is a leaf) that has `region` below it; undefined if it is empty, and behind the
   * volume's end.
   * @throws {UmbraError} STORE_DAMAGED
   */
  async nodeDigest(target: number, region: number): Promise<Uint8Array | undefined> {
    let digest: Uint8Array | undefined = region >= this.regions || isEmptyDigest(this.#root) ? undefined : this.#root;
    for (let level = this.height; level > target && digest !== undefined; level--) {
      const children = await this.#children(digest, level);
      digest = children[Math.floor(region / regionsBelow(level - 1)) % FANOUT];
    }
    return digest;
  }

  /**
   * The chunks of a region; none for an empty one.
   * @throws {UmbraError} STORE_DAMAGED
   */
  async chunks(region: number): Promise<ChunkRef[]> {
    const digest = await this.leafDigest(region);
    return digest === undefined ? [] : this.chunksOfLeaf(digest);
  }

  /** @throws {UmbraError} STORE_DAMAGED */
  async chunksOfLeaf(digest: Uint8Array): Promise<ChunkRef[]> {
    return decodeLeaf(await this.#reader.read(ObjectType.leaf, digest));
  }

  /**
   * All regions from `first` on that are not empty, in order.
   * @throws {UmbraError} STORE_DAMAGED
   */
  async *leaves(first = 0): AsyncGenerator<RegionLeaf> {
    if (!isEmptyDigest(this.#root)) yield* this.#walk(this.#root, this.height, 0, first);
  }

  async *#walk(digest: Uint8Array, level: number, firstRegion: number, from: number): AsyncGenerator<RegionLeaf> {
    if (level === 0) {
      yield { region: firstRegion, leaf: digest };
      return;
    }
    const below = regionsBelow(level - 1);
    for (const [index, child] of (await this.#children(digest, level)).entries()) {
      const start = firstRegion + index * below;
      if (child !== undefined && start + below > from) yield* this.#walk(child, level - 1, start, from);
    }
  }

  async #children(digest: Uint8Array, level: number): Promise<DecodedNode['children']> {
    const last = this.#decoded.get(level);
    if (last !== undefined && sameBytes(last.digest, digest)) return last.children;
    const children = decodeInner(await this.#reader.read(ObjectType.inner, digest), level);
    this.#decoded.set(level, { digest, children });
    return children;
  }
}

interface DecodedNode {
  readonly digest: Uint8Array;
  readonly children: readonly (Uint8Array | undefined)[];
}
