import { FANOUT, ObjectType } from '../codec/formats.js';
import { EMPTY_DIGEST, isEmptyDigest } from '../codec/digest.js';
import { encodeInner, regionsBelow, treeHeight } from './node.js';

/** Stores a node, unless it is stored, and says its digest. */
export type NodeSink = (type: typeof ObjectType.inner, node: Buffer) => Promise<Uint8Array>;

/** The tree from which the regions come that are left out. */
export interface BaseTree {
  readonly regions: number;
  readonly height: number;
  /** The digest of the node at `level` (0 is a leaf) whose first region is `region`; undefined if it is empty. */
  nodeDigest(level: number, region: number): Promise<Uint8Array | undefined>;
}

/**
 * Builds a volume tree from its leaves, given in order. It holds one unfinished node of each level,
 * so its memory does not grow with the volume. Regions left out are holes, or as they are in another tree.
 */
export class TreeBuilder {
  readonly #regions: number;
  readonly #height: number;
  readonly #sink: NodeSink;
  /** Children so far of the unfinished node of each level, from level 1. */
  readonly #open: Uint8Array[][];
  readonly #base: BaseTree | undefined;
  #next = 0;
  #root: Uint8Array = EMPTY_DIGEST;

  constructor(regions: number, sink: NodeSink, base?: BaseTree) {
    this.#base = base;
    this.#regions = regions;
    this.#height = treeHeight(regions);
    this.#sink = sink;
    this.#open = Array.from({ length: this.#height }, () => []);
  }

  /** The leaf of `region`. */
  async add(region: number, leaf: Uint8Array): Promise<void> {
    await this.#skipTo(region);
    this.#next++;
    await this.#push(1, leaf);
  }

  /** `region` is a hole. */
  async addHole(region: number): Promise<void> {
    await this.add(region, EMPTY_DIGEST);
  }

  /** @returns the digest of the root; zeros for an empty volume */
  async finish(): Promise<Uint8Array> {
    await this.#skipTo(this.#regions);
    for (let level = 1; level <= this.#height; level++) await this.#close(level);
    return this.#root;
  }

  /** Leave out the regions before `region`, in the largest subtrees: a huge empty disk costs no more than a small one. */
  async #skipTo(region: number): Promise<void> {
    while (this.#next < region) {
      let level = 1;
      while (
        level <= this.#height &&
        this.#next % regionsBelow(level) === 0 &&
        this.#next + regionsBelow(level) <= region
      )
        level++;
      // Where the other tree is lower, or ends, a node of it is not the whole of what this one has there.
      if (this.#base !== undefined && this.#next < this.#base.regions) level = Math.min(level, this.#base.height + 1);
      const node = await this.#base?.nodeDigest(level - 1, this.#next);
      this.#next += regionsBelow(level - 1);
      await this.#push(level, node ?? EMPTY_DIGEST);
    }
  }

  /** Add a child to the unfinished node of `level`; above the highest it is the root. */
  async #push(level: number, digest: Uint8Array): Promise<void> {
    if (level > this.#height) {
      this.#root = digest;
      return;
    }
    const children = this.#open[level - 1];
    children?.push(digest);
    if (children?.length === FANOUT) await this.#close(level);
  }

  async #close(level: number): Promise<void> {
    const children = this.#open[level - 1] ?? [];
    if (children.length === 0) return;
    this.#open[level - 1] = [];
    const empty = children.every(isEmptyDigest);
    await this.#push(
      level + 1,
      empty ? EMPTY_DIGEST : await this.#sink(ObjectType.inner, encodeInner(level, children)),
    );
  }
}
