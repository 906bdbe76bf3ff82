import type { DiskImage } from '../../agent/images/image.js';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../codec/formats.js';
import { sameBytes } from '../codec/digest.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { BackupVolumeResult } from '../protocol/api.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { VolumeRecord } from '../store/records.js';
import type { IngestSession } from '../store/session.js';
import { decodeLeaf, regionCount, type ChunkRef } from '../tree/node.js';
import { TreeBuilder } from '../tree/tree-builder.js';
import { TreeReader } from '../tree/tree-reader.js';
import { WorkerError, type WorkerPool } from '../workers/pool.js';
import type { RegionSlot } from '../workers/region-slots.js';
import type { CutReply } from '../workers/messages.js';
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
  readonly #claimed = new Map<string, Promise<void>>();
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
    const running: { readonly region: number; readonly done: Promise<Uint8Array | undefined> }[] = [];
    try {
      for await (const input of regionInputs(image)) {
        this.#options.signal.throwIfAborted();
        const done = this.#backUpRegion(input);
        done.catch(() => undefined);
        running.push({ region: input.region, done });
        if (running.length >= window) await this.#settle(running.shift());
      }
      while (running.length > 0) await this.#settle(running.shift());
      return await this.#finish();
    } finally {
      await Promise.allSettled(running.map(({ done }) => done));
    }
  }

  async #settle(next: { readonly region: number; readonly done: Promise<Uint8Array | undefined> } | undefined): Promise<void> {
    const leaf = await next?.done;
    if (next !== undefined && leaf !== undefined) await this.#builder.add(next.region, leaf);
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
  async #backUpRegion(input: RegionExtents): Promise<Uint8Array | undefined> {
    const { pool, onRead, distrustParent } = this.#options;
    const slot = await pool.slots.take();
    try {
      const cut = await this.#cut(slot, input);
      onRead(input.region * REGION_BYTES + input.length);
      this.#dataBlocks += cut.dataBlocks;
      if (cut.dataBlocks === 0) return undefined;
      const before = await this.#parentLeaf(input.region);
      const unchanged = before !== undefined && sameBytes(before, cut.leafDigest) && !distrustParent;
      if (!unchanged) await this.#store(slot, cut, before);
      return cut.leafDigest;
    } finally {
      pool.slots.giveBack(slot);
    }
  }

  async #cut({ region }: RegionSlot, input: RegionExtents): Promise<CutReply> {
    const { image, pool } = this.#options;
    const offset = input.region * REGION_BYTES;
    const { length, extents } = input;
    try {
      const from = image.fd === undefined ? undefined : { fd: image.fd, offset, extents };
      if (from === undefined) await fillRegion(Buffer.from(region), image, offset, input);
      return await pool.run({ op: 'cut', region, length, from });
    } catch (error) {
      throw imageError(image, error);
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

  async #store(slot: RegionSlot, cut: CutReply, before: Uint8Array | undefined): Promise<void> {
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
      const other = this.#claim(chunk.digest, added.promise);
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
  #claim(digest: Uint8Array, added: Promise<void>): Promise<void> | undefined {
    const key = Buffer.from(digest).toString('latin1');
    const other = this.#claimed.get(key);
    if (other === undefined) this.#claimed.set(key, added);
    return other;
  }

  async #countChanged(chunks: readonly ChunkRef[], before: Uint8Array | undefined): Promise<void> {
    const known = new Set<string>();
    if (before !== undefined && this.#parent !== undefined) {
      try {
        for (const { digest } of await this.#parent.chunksOfLeaf(before)) known.add(Buffer.from(digest).toString('latin1'));
      } catch (error) {
        if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      }
    }
    for (const { blocks, digest } of chunks) {
      if (!known.has(Buffer.from(digest).toString('latin1'))) this.#changedBytes += blocks * BLOCK_BYTES;
    }
  }

  /** Make the leaves so far durable, after the chunks that they name. */
  async #flushLeaves(): Promise<void> {
    const leaves = this.#pendingNodes;
    if (leaves.length === 0) return;
    this.#pendingNodes = [];
    this.#pendingNodeBytes = 0;
    await this.#options.session.barrier();
    this.#claimed.clear();
    for (const leaf of leaves) await this.#options.session.addPlain(ObjectType.leaf, leaf);
    await this.#options.session.barrier();
  }
}

/** Fill a region with what can only be read by the image itself. */
async function fillRegion(region: Buffer, image: DiskImage, offset: number, input: RegionExtents): Promise<void> {
  let filled = 0;
  for (let index = 0; index < input.extents.length; index += 2) {
    const start = input.extents[index] ?? 0;
    const end = start + (input.extents[index + 1] ?? 0);
    region.fill(0, filled, start);
    await image.read(region.subarray(start, end), offset + start);
    filled = end;
  }
  region.fill(0, filled, input.length);
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

function imageError(image: DiskImage, error: unknown): unknown {
  if (!(error instanceof WorkerError) || error.kind === 'defect') return error;
  if (error.kind === 'short-read') {
    return new UmbraError('IMAGE_CHANGED', `${image.path} became shorter while it was read: ${error.message}`, {
      hint: 'Shut the machine down, or back up a snapshot of the image.',
      cause: error,
    });
  }
  return new UmbraError('IMAGE_FAILED', `${image.path} cannot be read: ${error.message}`, { cause: error });
}
