import { FANOUT, ObjectType } from '../codec/formats.js';
import { EMPTY_DIGEST, isEmptyDigest } from '../codec/digest.js';
import { encodeInner, treeHeight } from './node.js';

/** Stores a node, unless it is stored, and says its digest. */
export type NodeSink = (type: typeof ObjectType.inner, node: Buffer) => Promise<Uint8Array>;

/**
 * Builds a volume tree from its leaves, given in order. It holds one unfinished node of each level,
 * so its memory does not grow with the volume.
 */
export class TreeBuilder {
  readonly #regions: number;
  readonly #height: number;
  readonly #sink: NodeSink;
  /** Children so far of the unfinished node of each level, from level 1. */
  readonly #open: Uint8Array[][];
  #next = 0;
  #root: Uint8Array = EMPTY_DIGEST;

  constructor(regions: number, sink: NodeSink) {
    this.#regions = regions;
    this.#height = treeHeight(regions);
    this.#sink = sink;
    this.#open = Array.from({ length: this.#height }, () => []);
  }

  /** The leaf of `region`; regions left out before it are empty. */
  async add(region: number, leaf: Uint8Array): Promise<void> {
    while (this.#next < region) await this.#push(1, EMPTY_DIGEST);
    await this.#push(1, leaf);
  }

  /** @returns the digest of the root; zeros for an empty volume */
  async finish(): Promise<Uint8Array> {
    while (this.#next < this.#regions) await this.#push(1, EMPTY_DIGEST);
    for (let level = 1; level <= this.#height; level++) await this.#close(level);
    return this.#root;
  }

  async #push(level: number, digest: Uint8Array): Promise<void> {
    if (level === 1) this.#next++;
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
    await this.#push(level + 1, empty ? EMPTY_DIGEST : await this.#sink(ObjectType.inner, encodeInner(level, children)));
  }
}
