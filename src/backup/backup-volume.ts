import type { DiskImage } from '../../agent/images/image.js';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../codec/formats.js';
import { sameBytes } from '../codec/digest.js';
import { isUmbraError } from '../common/errors.js';
import type { BackupVolumeResult } from '../protocol/api.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { VolumeRecord } from '../store/records.js';
import type { IngestSession } from '../store/session.js';
import { decodeLeaf, regionCount, type ChunkRef } from '../tree/node.js';
import { TreeBuilder } from '../tree/tree-builder.js';
import { TreeReader } from '../tree/tree-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import type { RegionSlot } from '../workers/region-slots.js';
import type { CutReply } from '../workers/messages.js';
import { cutImageRegion } from './cut-image.js';
import { regionInputs, type RegionExtents } from './region-inputs.js';

/** Nodes are made durable when so many bytes have come together, so that memory does not grow with the volume. */
const NODE_BATCH_BYTES = 4 * 1024 * 1024;

export interface BackupVolumeOptions {
  readonly name: string;
  readonly image: DiskImage;
  readonly session: IngestSession;
  readonly pool: WorkerPool;
  readonly reader: ObjectReader;
  /** The volume in the machine's previous shadow copy. */
  readonly parent: VolumeRecord | undefined;
  /** Something of the store is damaged: what the parent refers to may be missing, so everything is looked up. */
  readonly distrustParent: boolean;
  readonly signal: AbortSignal;
  /** Called with the byte up to which the volume was read. */
  readonly onRead: (position: number) => void;
}

export interface BackedUpVolume {
  readonly root: Uint8Array;
  readonly dataBytes: number;
  readonly result: BackupVolumeResult;
}

/**
 * Reads an image region by region, stores what the store does not have, and builds the volume's tree. Workers read,
 * cut and compress; this thread looks up and keeps the order.
 */
export class VolumeBackup {
  readonly #options: BackupVolumeOptions;
  readonly #parent: TreeReader | undefined;
  readonly #builder: TreeBuilder;
  /** Who stores a chunk that was not found, by digest. */
  readonly #claimed = new Map<string, Promise<void>>();
  /** The claims of regions settled last, oldest first. */
  readonly #settledClaims: (readonly string[])[] = [];
  #flushed: Promise<void> = Promise.resolve();
  #pendingNodes: Buffer[] = [];
  #pendingNodeBytes = 0;
  #dataBlocks = 0;
  #changedBytes = 0;
  #newChunks = 0;
  #newBytes = 0;
  #storedBytes = 0;

  constructor(options: BackupVolumeOptions) {
    this.#options = options;
    const { parent, image, reader } = options;
    this.#parent = parent === undefined ? undefined : new TreeReader(reader, parent);
    this.#builder = new TreeBuilder(regionCount(image.sizeBytes), async (_, node) => {
      await this.#flushLeaves();
      return (await this.#options.session.addPlain(ObjectType.inner, node)).digest;
    });
  }

  /** @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED, STORE_FULL, STORE_FAILED, CANCELLED */
  async run(): Promise<BackedUpVolume> {
    const { image, pool } = this.#options;
    const window = pool.size * 2;
    const running: RegionBackup[] = [];
    try {
      for await (const input of regionInputs(image)) {
        this.#options.signal.throwIfAborted();
        const claims: string[] = [];
        const done = this.#backUpRegion(input, claims);
        done.catch(() => undefined);
        running.push({ region: input.region, done, claims });
        if (running.length >= window) await this.#settle(running.shift());
      }
      while (running.length > 0) await this.#settle(running.shift());
      return await this.#finish();
    } finally {
      await Promise.allSettled(running.map(({ done }) => done));
    }
  }

  async #settle(next: RegionBackup | undefined): Promise<void> {
    if (next === undefined) return;
    const leaf = await next.done;
    if (leaf !== undefined) await this.#builder.add(next.region, leaf);
    this.#giveUpClaims(next.claims);
  }

  /**
   * Claims outlive their region until every region that ran beside it is settled: one of them may have looked a chunk
   * up before it was stored, and comes to claim it long after.
   */
  #giveUpClaims(claims: readonly string[]): void {
    this.#settledClaims.push(claims);
    if (this.#settledClaims.length <= this.#options.pool.size * 2) return;
    for (const key of this.#settledClaims.shift() ?? []) this.#claimed.delete(key);
  }

  async #finish(): Promise<BackedUpVolume> {
    const { name, image, session } = this.#options;
    await this.#flushLeaves();
    const root = await this.#builder.finish();
    await session.barrier();
    const dataBytes = this.#dataBlocks * BLOCK_BYTES;
    const result = {
      name,
      sizeBytes: image.sizeBytes,
      dataBytes,
      changedBytes: this.#changedBytes,
      newChunks: this.#newChunks,
      newBytes: this.#newBytes,
      storedBytes: this.#storedBytes,
    };
    return { root, dataBytes, result };
  }

  /** @returns the digest of the region's leaf; undefined if the region is a hole */
  async #backUpRegion(input: RegionExtents, claims: string[]): Promise<Uint8Array | undefined> {
    const { image, pool, onRead, distrustParent } = this.#options;
    const slot = await pool.slots.take();
    try {
      const cut = await cutImageRegion(image, pool, slot.region, input);
      onRead(input.region * REGION_BYTES + input.length);
      this.#dataBlocks += cut.dataBlocks;
      if (cut.dataBlocks === 0) return undefined;
      const before = await this.#parentLeaf(input.region);
      const unchanged = before !== undefined && sameBytes(before, cut.leafDigest) && !distrustParent;
      if (!unchanged) await this.#store(slot, cut, before, claims);
      return cut.leafDigest;
    } finally {
      pool.slots.giveBack(slot);
    }
  }

  async #parentLeaf(region: number): Promise<Uint8Array | undefined> {
    if (this.#parent === undefined || region >= this.#parent.regions) return undefined;
    try {
      return await this.#parent.leafDigest(region);
    } catch (error) {
      // A damaged node says nothing about the region: it is stored as if it were new, which heals the node.
      if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
      throw error;
    }
  }

  async #store(slot: RegionSlot, cut: CutReply, before: Uint8Array | undefined, claims: string[]): Promise<void> {
    const { session } = this.#options;
    const leaf = Buffer.from(cut.leaf.buffer, cut.leaf.byteOffset, cut.leaf.byteLength);
    const chunks = decodeLeaf(leaf);
    await this.#countChanged(chunks, before);
    const found = await session.find(
      ObjectType.chunk,
      chunks.map(({ digest }) => digest),
    );
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
    this.#pendingNodes.push(leaf);
    this.#pendingNodeBytes += leaf.length;
    if (this.#pendingNodeBytes >= NODE_BATCH_BYTES) await this.#flushLeaves();
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

  async #countChanged(chunks: readonly ChunkRef[], before: Uint8Array | undefined): Promise<void> {
    const known = new Set<string>();
    if (before !== undefined && this.#parent !== undefined) {
      try {
        for (const { digest } of await this.#parent.chunksOfLeaf(before))
          known.add(Buffer.from(digest).toString('latin1'));
      } catch (error) {
        if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      }
    }
    for (const { blocks, digest } of chunks) {
      if (!known.has(Buffer.from(digest).toString('latin1'))) this.#changedBytes += blocks * BLOCK_BYTES;
    }
  }

  /** Make the leaves so far durable, also those that another flush is at, after the chunks that they name. */
  #flushLeaves(): Promise<void> {
    const flushed = this.#flushed.then(() => this.#flushNow());
    this.#flushed = flushed.catch(nothing);
    return flushed;
  }

  async #flushNow(): Promise<void> {
    const leaves = this.#pendingNodes;
    if (leaves.length === 0) return;
    this.#pendingNodes = [];
    this.#pendingNodeBytes = 0;
    await this.#options.session.barrier();
    for (const leaf of leaves) await this.#options.session.addPlain(ObjectType.leaf, leaf);
    await this.#options.session.barrier();
  }
}

/** A region under way. */
interface RegionBackup {
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
