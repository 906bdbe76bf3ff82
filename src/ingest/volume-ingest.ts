import { BLOCK_BYTES, BLOCKS_PER_REGION, DIGEST_BYTES, ObjectType, REGION_BYTES } from '../codec/formats.js';
import { digestOf, sameBytes } from '../codec/digest.js';
import { UmbraError } from '../common/errors.js';
import { ChangeCount } from '../backup/change-count.js';
import { chunksOf, leafIn, VolumeWriter } from '../backup/volume-writer.js';
import type { BackupVolumeResult } from '../protocol/api.js';
import { INGEST_WINDOW, type BlocksFrame, type IngestVolume, type Rest } from '../protocol/ingest.js';
import type { VolumeRecord } from '../store/records.js';
import type { VolumeChange } from '../store/shadow-copy-change.js';
import type { IngestSession } from '../store/session.js';
import type { Store } from '../store/store.js';
import { unpackRegion } from '../tree/chunk-batch.js';
import { decodeLeaf, encodeLeaf, regionCount, type ChunkRef } from '../tree/node.js';
import { TreeReader } from '../tree/tree-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import type { RegionSlot } from '../workers/region-slots.js';
import { includesDigest, type Generations } from './host-chunks.js';
import { IngestCounts } from './ingest-counts.js';
import { applyChange, chunksToRead, joined, mergeChunks, spansOf, spansToCut, type BlockChange } from './recut.js';
import { restOf, type Reread } from './rest.js';

export interface VolumeIngestOptions {
  readonly volume: IngestVolume;
  /** The volume in the shadow copy that the upload is based on. */
  readonly base: VolumeRecord | undefined;
  /** What is damaged of it. */
  readonly reread: Reread;
  /** The volume in the machine's newest shadow copy, which is leased. */
  readonly previous: VolumeRecord | undefined;
  readonly store: Store;
  readonly session: IngestSession;
  readonly pool: WorkerPool;
  /** The chunks that the host is known to have sent. */
  readonly sent: Generations;
}

/** Bytes that count until they are released. */
export interface Data {
  readonly bytes: Buffer;
  readonly release: () => void;
}

/** The chunks of a leaf that are asked for; the answer is their bytes, one behind the other. */
export type Fetch = (wanted: readonly number[]) => Promise<Data>;

/** Takes the regions of one volume of an upload, in whatever form they come, and makes its tree. */
export class VolumeIngest {
  readonly writer: VolumeWriter;
  readonly rest: Rest;
  /** Regions that have to come, and have not yet. */
  readonly #missing: Set<number>;
  readonly #options: VolumeIngestOptions;
  readonly #base: TreeReader | undefined;
  readonly #maxBlocks: number;
  readonly #changes: ChangeCount;
  readonly #counts: IngestCounts;

  constructor(options: VolumeIngestOptions) {
    const { volume, base, previous, reread, store, session, pool } = options;
    this.#options = options;
    this.#base = base === undefined ? undefined : new TreeReader(store.reader, base);
    this.#maxBlocks = store.format.cutting.maxBlocks;
    this.rest = restOf(volume, base, reread);
    this.#changes = new ChangeCount(previous, store.reader, session, this.rest === 'base' ? base : undefined);
    this.#missing = new Set(this.rest === 'base' && reread !== 'all' ? reread : []);
    const regions = regionCount(volume.sizeBytes);
    const rest = this.rest === 'base' && this.#base !== undefined ? { base: this.#base } : {};
    this.writer = new VolumeWriter({ session, pool, regions, window: INGEST_WINDOW + 1, ...rest });
    this.#counts = new IngestCounts(this.rest === 'base' ? (base?.dataBytes ?? 0) / BLOCK_BYTES : 0);
  }

  /** The regions that are damaged in the base and have to be sent, in order, as far as they have not come. */
  get reread(): readonly number[] {
    return [...this.#missing];
  }

  /** Take a whole region by its leaf. */
  submitLeaf(region: number, leaf: Buffer, fetch: Fetch): Promise<void> {
    const chunks = this.#parseLeaf(region, leaf);
    return this.writer.submit(region, (claims) => this.#takeLeaf(region, leaf, chunks, fetch, claims));
  }

  /** Take blocks of a region. */
  submitBlocks(frame: BlocksFrame, data: Data): Promise<void> {
    const { region } = frame;
    const written = spansOf(frame.data);
    const zeros = spansOf(frame.zeros);
    const changed = [...written, ...zeros].sort((a, b) => a.first - b.first);
    const blocks = written.reduce((sum, { first, end }) => sum + end - first, 0);
    const { length } = data.bytes;
    if (blocks * BLOCK_BYTES !== length) throw wrong(`${length} bytes came for ${blocks} blocks`);
    for (const [index, { first, end }] of changed.entries()) {
      const before = changed[index - 1]?.end ?? 0;
      if (first < before) throw wrong(`block ${first} of region ${region} comes twice`);
      if (end > this.#blocksIn(region)) throw outside(region, this.#options.volume);
    }
    const change = { written, zeros, changed: joined(changed) };
    return this.writer.submit(region, (claims) => this.#takeBlocks(region, change, data, claims).finally(data.release));
  }

  /** Settle the region that is under way for longest. @returns its number; undefined if there is none */
  async settle(): Promise<number | undefined> {
    const region = this.writer.oldest;
    if (region === undefined) return undefined;
    await this.writer.settle();
    const change = this.#counts.settle(region);
    this.#changes.came(region);
    if (change !== undefined) this.#changes.add(change);
    this.#missing.delete(region);
    return region;
  }

  /** Forget the regions that are under way; they are sent again. */
  async abandon(): Promise<void> {
    await this.writer.abandonRunning();
    this.#counts.abandon();
  }

  /** @returns what the shadow copy's record says of the volume */
  async finish(): Promise<VolumeRecord> {
    const { name, sizeBytes, path, format, fingerprint } = this.#options.volume;
    const [missing] = this.#missing;
    if (missing !== undefined) throw wrong(`region ${missing} of ${name} was asked for and did not come`);
    const root = await this.writer.finish();
    await this.#changes.addRest();
    const source = { path, format, ...(fingerprint === undefined ? {} : { fingerprint }) };
    return { name, sizeBytes, dataBytes: this.#counts.dataBlocks * BLOCK_BYTES, root, source };
  }

  /** What came of it. */
  get result(): BackupVolumeResult {
    const { name, sizeBytes } = this.#options.volume;
    const { dataBlocks, changedBytes } = this.#counts;
    return { name, sizeBytes, dataBytes: dataBlocks * BLOCK_BYTES, changedBytes, ...this.writer.counts };
  }

  /** How much of it is not as in the newest shadow copy. */
  get changes(): readonly VolumeChange[] {
    return this.#changes.result();
  }

  async #takeLeaf(
    region: number,
    leaf: Buffer,
    chunks: readonly ChunkRef[],
    fetch: Fetch,
    claims: string[],
  ): Promise<Uint8Array | undefined> {
    const digest = digestOf(leaf);
    const before = await leafIn(this.#base, region);
    const isSame = before !== undefined && sameBytes(before, digest) && !this.#options.store.objectStore.hasDamage;
    const old = await chunksOf(this.#base, before);
    this.#count(region, chunks, old);
    if (chunks.length === 0) return undefined;
    if (isSame) return await this.#countChange(region, digest, chunks);
    const wanted = await this.#unknown(chunks, old);
    if (wanted.length > 0) await this.#storeFetched(chunks, wanted, fetch, claims);
    for (const chunk of chunks) this.#options.sent.add(chunk.digest);
    await this.writer.addLeaf(leaf);
    return await this.#countChange(region, digest, chunks);
  }

  /** Indices of the chunks that the host is to send: those that the store lacks, and those that it does not know this host to have. */
  async #unknown(chunks: readonly ChunkRef[], old: readonly ChunkRef[]): Promise<readonly number[]> {
    const { session, sent } = this.#options;
    const found = await session.find(
      ObjectType.chunk,
      chunks.map(({ digest }) => digest),
    );
    const wanted: number[] = [];
    for (const [index, { digest }] of chunks.entries()) {
      const isKnown = found[index] === true && (sent.has(digest) || includesDigest(old, digest));
      if (!isKnown) wanted.push(index);
    }
    return wanted;
  }

  async #storeFetched(
    chunks: readonly ChunkRef[],
    wanted: readonly number[],
    fetch: Fetch,
    claims: string[],
  ): Promise<void> {
    const fetched = wanted.flatMap((index) => chunks[index] ?? []);
    const { bytes, release } = await fetch(wanted);
    await this.#withSlot(async (slot) => {
      const region = Buffer.from(slot.region);
      let at = 0;
      for (const { firstBlock, blocks } of fetched) {
        region.set(bytes.subarray(at, at + blocks * BLOCK_BYTES), firstBlock * BLOCK_BYTES);
        at += blocks * BLOCK_BYTES;
      }
      release();
      await this.#assertNames(slot, fetched);
      await this.writer.storeChunks(slot, fetched, claims);
    }).finally(release);
  }

  /** An agent's digests are never believed. */
  async #assertNames(slot: RegionSlot, chunks: readonly ChunkRef[]): Promise<void> {
    const places = chunks.flatMap(({ firstBlock, blocks }) => [firstBlock, blocks]);
    const { digests } = await this.#options.pool.run({ op: 'name', region: slot.region, chunks: places });
    for (const [index, { firstBlock, digest }] of chunks.entries()) {
      const real = digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
      if (!sameBytes(real, digest)) throw wrong(`the chunk at block ${firstBlock} is not what its digest says`);
    }
  }

  async #takeBlocks(
    region: number,
    change: BlockChange,
    data: Data,
    claims: string[],
  ): Promise<Uint8Array | undefined> {
    const isBased = this.rest === 'base';
    // What blocks come over must be known: a node that can't be read says nothing of it. Where all is sent, it only saves work.
    const old = isBased ? ((await this.#base?.chunks(region)) ?? []) : await this.#knownChunks(region);
    const under = isBased ? old : [];
    return await this.#withSlot(async (slot) => {
      const spans = spansToCut(under, change.changed, this.#options.store.format.cutting);
      const places = spans.flatMap(({ first, end }) => [first, end]);
      const kept = chunksToRead(under, spans, change.changed);
      const { pool, store, sent } = this.#options;
      // With nothing to read, all that is cut again has come.
      if (kept.length > 0) await unpackRegion(store.reader, pool, kept, { ...slot, spans: places });
      applyChange(Buffer.from(slot.region), change, data.bytes);
      data.release();
      const length = REGION_BYTES;
      const cut = await pool.run({ op: 'cut', region: slot.region, length, from: undefined, spans: places });
      const fresh = decodeLeaf(Buffer.from(cut.leaf.buffer, cut.leaf.byteOffset, cut.leaf.byteLength));
      const chunks = mergeChunks(under, spans, fresh);
      this.#count(region, chunks, old);
      if (chunks.length === 0) return undefined;
      const leaf = encodeLeaf(chunks);
      for (const { digest } of fresh) sent.add(digest);
      await this.writer.store(slot, leaf, fresh, claims);
      return await this.#countChange(region, digestOf(leaf), chunks);
    });
  }

  /** The chunks of a region in the base, as far as damage lets them be known. */
  async #knownChunks(region: number): Promise<readonly ChunkRef[]> {
    return await chunksOf(this.#base, await leafIn(this.#base, region));
  }

  async #withSlot<T>(work: (slot: RegionSlot) => Promise<T>): Promise<T> {
    const { slots } = this.#options.pool;
    const slot = await slots.take();
    try {
      return await work(slot);
    } finally {
      slots.giveBack(slot);
    }
  }

  #count(region: number, chunks: readonly ChunkRef[], old: readonly ChunkRef[]): void {
    this.#counts.note(region, chunks, old, this.rest === 'base');
  }

  /** Of a region whose chunks are stored. @returns the digest of its leaf */
  async #countChange(region: number, leaf: Uint8Array, chunks: readonly ChunkRef[]): Promise<Uint8Array> {
    this.#counts.noteChange(region, await this.#changes.of(region, leaf, chunks));
    return leaf;
  }

  #parseLeaf(region: number, leaf: Buffer): readonly ChunkRef[] {
    let chunks: readonly ChunkRef[];
    try {
      chunks = decodeLeaf(leaf);
    } catch (cause) {
      throw new UmbraError('BAD_ARGUMENT', `what came for region ${region} is no leaf`, { cause });
    }
    const last = chunks.at(-1);
    if (last !== undefined && last.firstBlock + last.blocks > this.#blocksIn(region)) {
      throw outside(region, this.#options.volume);
    }
    const long = chunks.find(({ blocks }) => blocks > this.#maxBlocks);
    if (long !== undefined) throw wrong(`a chunk of ${long.blocks} blocks is longer than ${this.#maxBlocks}`);
    return chunks;
  }

  /** @throws {UmbraError} BAD_ARGUMENT for a region behind the volume's end */
  #blocksIn(region: number): number {
    const { sizeBytes } = this.#options.volume;
    const bytes = sizeBytes - region * REGION_BYTES;
    if (bytes <= 0) throw outside(region, this.#options.volume);
    return Math.min(BLOCKS_PER_REGION, Math.ceil(bytes / BLOCK_BYTES));
  }
}

function outside(region: number, { name }: IngestVolume): UmbraError {
  return wrong(`region ${region} lies outside the volume ${name}`);
}

function wrong(what: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', what);
}
