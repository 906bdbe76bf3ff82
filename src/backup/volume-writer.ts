import { digestOf } from '../codec/digest.js';
import { BLOCK_BYTES, ObjectType } from '../codec/formats.js';
import { isUmbraError } from '../common/errors.js';
import type { IngestSession } from '../store/session.js';
import type { ChunkRef } from '../tree/node.js';
import { TreeBuilder } from '../tree/tree-builder.js';
import type { TreeReader } from '../tree/tree-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import type { RegionSlot } from '../workers/region-slots.js';

/**
 * Nodes are made durable when so many bytes have come together, so that memory does not grow with the volume. Not sooner: all that
 * they refer to has to be durable before, and each time regions that come meanwhile wait for it.
 */
const NODE_BATCH_BYTES = 4 * 1024 * 1024;

export interface VolumeWriterOptions {
  readonly session: IngestSession;
  readonly pool: WorkerPool;
  /** Regions of the volume. */
  readonly regions: number;
  /** What the regions are that nothing is written to; without it they are holes. Its shadow copy is leased. */
  readonly base?: TreeReader;
  /** How many regions are worked on at a time. */
  readonly window: number;
}

/** A region: works on it and gives the digest of its leaf; undefined for a hole. The chunks that it stores go to `claims`. */
export type RegionWork = (claims: string[]) => Promise<Uint8Array | undefined>;

/** Stores the chunks of a volume that the store does not have, and builds the volume's tree, in order. */
export class VolumeWriter {
  readonly #options: VolumeWriterOptions;
  readonly #builder: TreeBuilder;
  /** Who stores a chunk that was not found, by digest. */
  readonly #claimed = new Map<string, Promise<void>>();
  /** The claims of regions settled last, oldest first. */
  readonly #settledClaims: (readonly string[])[] = [];
  #running: RunningRegion[] = [];
  #flushed: Promise<void> = Promise.resolve();
  #pendingLeaves: Uint8Array[] = [];
  /** Children before parents. */
  #pendingInner: Uint8Array[] = [];
  #pendingNodeBytes = 0;
  #newChunks = 0;
  #newBytes = 0;
  #storedBytes = 0;

  constructor(options: VolumeWriterOptions) {
    this.#options = options;
    const { regions, base } = options;
    const addInner = async (_: typeof ObjectType.inner, node: Buffer): Promise<Uint8Array> => {
      await this.#addNode(this.#pendingInner, node);
      return digestOf(node);
    };
    this.#builder = new TreeBuilder(regions, addInner, base);
  }

  get counts(): { readonly newChunks: number; readonly newBytes: number; readonly storedBytes: number } {
    return { newChunks: this.#newChunks, newBytes: this.#newBytes, storedBytes: this.#storedBytes };
  }

  /**
   * Begin to work on a region; regions come in order. Resolves when there is room for the next.
   * @throws {UmbraError} what a region before it failed with
   */
  async submit(region: number, work: RegionWork): Promise<void> {
    const claims: string[] = [];
    const done = work(claims);
    done.catch(() => undefined);
    this.#running.push({ region, done, claims });
    if (this.#running.length >= this.#options.window) await this.settle();
  }

  /** The region that is in work for longest; undefined if there is none. */
  get oldest(): number | undefined {
    return this.#running[0]?.region;
  }

  /** Wait for the region that is in work for longest, and put it into the tree. */
  async settle(): Promise<void> {
    const next = this.#running.shift();
    if (next === undefined) return;
    const leaf = await next.done;
    if (leaf !== undefined) await this.#builder.add(next.region, leaf);
    else await this.#builder.addHole(next.region);
    this.#giveUpClaims(next.claims);
  }

  /** Wait until nothing is worked on any more, whatever comes of it; what was not settled is as if it had not been submitted. */
  async abandonRunning(): Promise<void> {
    const running = this.#running;
    this.#running = [];
    await Promise.allSettled(running.map(({ done }) => done));
    for (const { claims } of running) this.#giveUpClaims(claims);
  }

  /** Everything is durable when this resolves. @returns the digest of the tree's root; zeros for an empty volume */
  async finish(): Promise<Uint8Array> {
    while (this.#running.length > 0) await this.settle();
    const root = await this.#builder.finish();
    await this.#flushNodes();
    await this.#options.session.barrier();
    return root;
  }

  /** Store the leaf of a region, and those of `chunks` that the store does not have. @param slot holds them in their places */
  async store(slot: RegionSlot, leaf: Uint8Array, chunks: readonly ChunkRef[], claims: string[]): Promise<void> {
    await this.storeChunks(slot, chunks, claims);
    await this.addLeaf(leaf);
  }

  /** Store the leaf of a region whose chunks are in the store. */
  async addLeaf(leaf: Uint8Array): Promise<void> {
    await this.#addNode(this.#pendingLeaves, leaf);
  }

  async #addNode(pending: Uint8Array[], node: Uint8Array): Promise<void> {
    pending.push(node);
    this.#pendingNodeBytes += node.length;
    if (this.#pendingNodeBytes >= NODE_BATCH_BYTES) await this.#flushNodes();
  }

  /** Store those of `chunks` that the store does not have. @param slot holds them in their places */
  async storeChunks(slot: RegionSlot, chunks: readonly ChunkRef[], claims: string[]): Promise<void> {
    const digests = chunks.map(({ digest }) => digest);
    const found = await this.#options.session.find(ObjectType.chunk, digests);
    const missing: ChunkRef[] = [];
    const elsewhere: Promise<void>[] = [];
    const added = new Deferred();
    for (const [index, chunk] of chunks.entries()) {
      if (found[index] === true) continue;
      const other = this.#claim(chunk.digest, added.promise, claims);
      if (other === undefined) missing.push(chunk);
      else if (other !== added.promise) elsewhere.push(other);
    }
    try {
      await this.#addChunks(slot, missing);
      added.resolve();
    } catch (error) {
      added.reject(error);
      throw error;
    }
    await Promise.all(elsewhere);
  }

  async #addChunks(slot: RegionSlot, chunks: readonly ChunkRef[]): Promise<void> {
    if (chunks.length === 0) return;
    const digests = Buffer.concat(chunks.map(({ digest }) => digest));
    const blocks = chunks.flatMap((chunk) => [chunk.firstBlock, chunk.blocks]);
    const { lengths } = await this.#options.pool.run({ op: 'pack', ...slot, chunks: blocks, digests });
    const frames = Buffer.from(slot.frames);
    let at = 0;
    for (const [index, chunk] of chunks.entries()) {
      const length = lengths[index] ?? 0;
      const plainBytes = chunk.blocks * BLOCK_BYTES;
      const frame = frames.subarray(at, at + length);
      at += length;
      this.#newChunks++;
      this.#newBytes += plainBytes;
      this.#storedBytes += length;
      await this.#options.session.add({ type: ObjectType.chunk, digest: chunk.digest, plainBytes, frame });
    }
  }

  /**
   * Regions in flight may hold the same new chunk; one of them stores it, and the others wait until it has.
   * @returns what to wait for; undefined for the one that stores it
   */
  #claim(digest: Uint8Array, added: Promise<void>, claims: string[]): Promise<void> | undefined {
    const key = Buffer.from(digest).toString('latin1');
    const other = this.#claimed.get(key);
    if (other !== undefined) return other;
    this.#claimed.set(key, added);
    claims.push(key);
    return undefined;
  }

  /**
   * Claims outlive their region until every region that ran beside it is settled: one of them may have looked a chunk
   * up before it was stored, and comes to claim it long after.
   */
  #giveUpClaims(claims: readonly string[]): void {
    this.#settledClaims.push(claims);
    if (this.#settledClaims.length <= this.#options.window) return;
    for (const key of this.#settledClaims.shift() ?? []) this.#claimed.delete(key);
  }

  /** Store the nodes so far, also those that another flush is at, each after what it refers to is durable. */
  #flushNodes(): Promise<void> {
    const flushed = this.#flushed.then(() => this.#flushNow());
    this.#flushed = flushed.catch(nothing);
    return flushed;
  }

  async #flushNow(): Promise<void> {
    const leaves = this.#pendingLeaves.splice(0);
    const inner = this.#pendingInner.splice(0);
    this.#pendingNodeBytes = 0;
    try {
      await this.#storeNodes(leaves, inner);
    } catch (error) {
      // They are of regions that may be settled, and never come again: whoever goes on has to store them.
      this.#pendingLeaves.unshift(...leaves);
      this.#pendingInner.unshift(...inner);
      this.#pendingNodeBytes += [...leaves, ...inner].reduce((sum, { length }) => sum + length, 0);
      throw error;
    }
  }

  async #storeNodes(leaves: readonly Uint8Array[], inner: readonly Uint8Array[]): Promise<void> {
    const { session } = this.#options;
    if (leaves.length > 0) {
      await session.barrier();
      for (const leaf of leaves) await session.addPlain(ObjectType.leaf, leaf);
      await session.barrier();
    }
    for (const node of inner) await session.addPlain(ObjectType.inner, node);
  }
}

/** The digest of a region's leaf in a volume; undefined for a hole, and for one that damage keeps from being known. */
export async function leafIn(tree: TreeReader | undefined, region: number): Promise<Uint8Array | undefined> {
  try {
    return await tree?.leafDigest(region);
  } catch (error) {
    // A damaged node says nothing about the region: it is stored as if it were new, which heals the node.
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}

/** The chunks of a region in a volume, as far as damage lets them be known. */
export async function chunksOf(
  tree: TreeReader | undefined,
  leaf: Uint8Array | undefined,
): Promise<readonly ChunkRef[]> {
  if (tree === undefined || leaf === undefined) return [];
  try {
    return await tree.chunksOfLeaf(leaf);
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return [];
    throw error;
  }
}

/** Bytes of those chunks that are not among `before`. */
export function changedBytes(chunks: readonly ChunkRef[], before: readonly ChunkRef[]): number {
  const known = new Set(before.map(({ digest }) => Buffer.from(digest).toString('latin1')));
  let blocks = 0;
  for (const chunk of chunks) if (!known.has(Buffer.from(chunk.digest).toString('latin1'))) blocks += chunk.blocks;
  return blocks * BLOCK_BYTES;
}

/** A region under way. */
interface RunningRegion {
  readonly region: number;
  /** The digest of its leaf; undefined for a hole. */
  readonly done: Promise<Uint8Array | undefined>;
  /** The chunks that it stores. */
  readonly claims: readonly string[];
}

/** A promise and what settles it. Nobody need wait for it. */
class Deferred {
  resolve: () => void = nothing;
  reject: (error: unknown) => void = nothing;
  readonly promise: Promise<void>;

  constructor() {
    this.promise = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(nothing);
  }
}

function nothing(): void {
  // Replaced at once, or an error that whoever waits gets.
}
