import type { DiskImage } from '../../agent/images/image.js';
import { BLOCK_BYTES, REGION_BYTES } from '../codec/formats.js';
import { sameBytes } from '../codec/digest.js';
import type { BackupVolumeResult } from '../protocol/api.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { VolumeRecord } from '../store/records.js';
import type { VolumeChange } from '../store/shadow-copy-change.js';
import type { IngestSession } from '../store/session.js';
import { decodeLeaf, regionCount } from '../tree/node.js';
import { TreeReader } from '../tree/tree-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import { ChangeCount } from './change-count.js';
import { cutImageRegion } from './cut-image.js';
import { regionInputs, type RegionExtents } from '../../agent/images/region-inputs.js';
import { changedBytes, chunksOf, leafIn, VolumeWriter } from './volume-writer.js';

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
  readonly changes: readonly VolumeChange[];
}

/**
 * Reads an image region by region and stores what the store does not have. Workers read, cut and compress; this thread
 * looks up and keeps the order.
 */
export class VolumeBackup {
  readonly #options: BackupVolumeOptions;
  readonly #parent: TreeReader | undefined;
  readonly #writer: VolumeWriter;
  readonly #changes: ChangeCount;
  #dataBlocks = 0;
  #changedBytes = 0;

  constructor(options: BackupVolumeOptions) {
    this.#options = options;
    const { parent, image, reader, session, pool } = options;
    this.#parent = parent === undefined ? undefined : new TreeReader(reader, parent);
    this.#changes = new ChangeCount(parent, reader, session);
    const regions = regionCount(image.sizeBytes);
    this.#writer = new VolumeWriter({ session, pool, regions, window: pool.size * 2 });
  }

  /** @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED, STORE_FULL, STORE_FAILED, CANCELLED */
  async run(): Promise<BackedUpVolume> {
    const { image, name, signal } = this.#options;
    try {
      for await (const input of regionInputs(image)) {
        signal.throwIfAborted();
        await this.#writer.submit(input.region, (claims) => this.#backUpRegion(input, claims));
      }
      const root = await this.#writer.finish();
      const dataBytes = this.#dataBlocks * BLOCK_BYTES;
      const { sizeBytes } = image;
      const result = { name, sizeBytes, dataBytes, changedBytes: this.#changedBytes, ...this.#writer.counts };
      return { root, dataBytes, result, changes: this.#changes.result() };
    } finally {
      await this.#writer.abandonRunning();
    }
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
      const before = await leafIn(this.#parent, input.region);
      if (before === undefined || !sameBytes(before, cut.leafDigest) || distrustParent) {
        const leaf = Buffer.from(cut.leaf.buffer, cut.leaf.byteOffset, cut.leaf.byteLength);
        const chunks = decodeLeaf(leaf);
        this.#changedBytes += changedBytes(chunks, await chunksOf(this.#parent, before));
        await this.#writer.store(slot, leaf, chunks, claims);
        this.#changes.add(await this.#changes.of(input.region, cut.leafDigest, chunks));
      }
      return cut.leafDigest;
    } finally {
      pool.slots.giveBack(slot);
    }
  }
}
