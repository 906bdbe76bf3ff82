import type { VolumeReader } from '../../mount/source.js';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../codec/formats.js';
import { toHex } from '../codec/digest.js';
import { UmbraError } from '../common/errors.js';
import type { ByteCache } from '../store/byte-cache.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { ChunkRef } from './node.js';
import type { RegionCache } from './region-cache.js';
import { TreeReader, type TreeRoot } from './tree-reader.js';

/** Regions fetched ahead of a sequential reader. */
const READ_AHEAD_REGIONS = 3;
/** A read is sequential when it begins at most so far from the end of one before: the kernel sends several at once, in any order. */
const SEQUENTIAL_WINDOW_BYTES = 1024 * 1024;
/** After so many sequential bytes regions are fetched ahead as a whole. */
const SEQUENTIAL_BYTES = 256 * 1024;
/** Programs that read in order at once: files of a guest are read through one reader for all, and between them its metadata. */
const MAX_STREAMS = 8;
/** Stretches that were announced, and that are remembered. */
const MAX_ANNOUNCED = 32;
/** Chunk lists of regions that a reader remembers. */
const MAX_LAYOUTS = 32;

/** What all readers of a process share. */
export interface ReadContext {
  readonly reader: ObjectReader;
  readonly regions: RegionCache;
  /** Plain chunks by digest in hex, for random reads. */
  readonly chunks: ByteCache<Uint8Array>;
  /** Chunks being read, so that nobody reads one twice. */
  readonly reading: Map<string, Promise<Uint8Array>>;
}

/** Somebody who reads in order. */
interface Stream {
  sequentialBytes: number;
  expected: number;
  aheadUntil: number;
}

/** A region that is not a hole. */
interface Layout {
  readonly leaf: Uint8Array;
  readonly chunks: readonly ChunkRef[];
}

/** Reads a volume of a shadow copy through its tree. */
export class TreeVolumeReader implements VolumeReader {
  readonly sizeBytes: number;
  readonly #context: ReadContext;
  readonly #tree: TreeReader;
  readonly #onClose: () => void;
  readonly #layouts = new Map<number, Promise<Layout | undefined>>();
  /** Those of them that are there; undefined for a hole. */
  readonly #known = new Map<number, Layout | undefined>();
  /** The latest last. */
  readonly #streams: Stream[] = [];
  /** What {@link willRead} said, the latest last: nobody need guess where that is going on. */
  readonly #announced: { readonly offset: number; readonly end: number }[] = [];
  #closed = false;

  constructor(context: ReadContext, volume: TreeRoot, onClose: () => void) {
    this.sizeBytes = volume.sizeBytes;
    this.#context = context;
    this.#tree = new TreeReader(context.reader, volume);
    this.#onClose = onClose;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const end = Math.min(offset + target.length, this.sizeBytes);
    if (end <= offset) return 0;
    this.#readAhead(offset, end);
    return this.#readNow(target, offset, end) ? end - offset : this.#readLater(target, offset, end);
  }

  /** What lies in one region that is a hole, or decoded, is there at once. @returns false if it is not */
  #readNow(target: Uint8Array, offset: number, end: number): boolean {
    const region = Math.floor(offset / REGION_BYTES);
    if (end > (region + 1) * REGION_BYTES || !this.#known.has(region)) return false;
    const part = target.subarray(0, end - offset);
    const layout = this.#known.get(region);
    if (layout !== undefined) return this.#context.regions.copyNow(part, layout.leaf, offset - region * REGION_BYTES);
    part.fill(0);
    return true;
  }

  async #readLater(target: Uint8Array, offset: number, end: number): Promise<number> {
    for (let at = offset; at < end;) {
      const region = Math.floor(at / REGION_BYTES);
      const stop = Math.min(end, (region + 1) * REGION_BYTES);
      await this.#readRegion(target.subarray(at - offset, stop - offset), region, at - region * REGION_BYTES);
      at = stop;
    }
    return end - offset;
  }

  willRead(offset: number, length: number): void {
    const end = Math.min(offset + length, this.sizeBytes);
    if (this.#announced.length >= MAX_ANNOUNCED) this.#announced.shift();
    this.#announced.push({ offset, end });
    for (let region = Math.floor(offset / REGION_BYTES); region * REGION_BYTES < end; region++)
      void this.#fetch(region);
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#onClose();
    }
    return Promise.resolve();
  }

  async #readRegion(target: Uint8Array, region: number, from: number): Promise<void> {
    const layout = await this.#layout(region);
    if (layout === undefined) {
      target.fill(0);
      return;
    }
    if (await this.#context.regions.copyInto(target, layout.leaf, from)) return;
    await this.#readChunks(target, layout.chunks, from);
  }

  async #readChunks(target: Uint8Array, chunks: readonly ChunkRef[], from: number): Promise<void> {
    const to = from + target.length;
    let filled = from;
    for (let index = firstChunkBehind(chunks, from); index < chunks.length; index++) {
      const chunk = chunks[index];
      if (chunk === undefined || chunk.firstBlock * BLOCK_BYTES >= to) break;
      const start = chunk.firstBlock * BLOCK_BYTES;
      const plain = await this.#chunk(chunk);
      const first = Math.max(start, from);
      const last = Math.min(start + plain.length, to);
      target.fill(0, filled - from, first - from);
      target.set(plain.subarray(first - start, last - start), first - from);
      filled = last;
    }
    target.fill(0, filled - from);
  }

  /** One chunk, decoded in this thread: a single one is there sooner than a worker answers. */
  async #chunk(chunk: ChunkRef): Promise<Uint8Array> {
    const { chunks, reading, reader } = this.#context;
    const key = toHex(chunk.digest);
    const cached = chunks.get(key);
    if (cached !== undefined) return cached;
    let plain = reading.get(key);
    if (plain === undefined) {
      plain = reader.read(ObjectType.chunk, chunk.digest).finally(() => reading.delete(key));
      reading.set(key, plain);
    }
    const bytes = await plain;
    if (bytes.length !== chunk.blocks * BLOCK_BYTES) {
      throw new UmbraError(
        'STORE_DAMAGED',
        `chunk ${key} has ${bytes.length} bytes, and its leaf says ${chunk.blocks} blocks`,
      );
    }
    chunks.set(key, bytes);
    return bytes;
  }

  #layout(region: number): Promise<Layout | undefined> {
    const known = this.#layouts.get(region);
    if (known !== undefined) return known;
    const layout = this.#readLayout(region);
    this.#layouts.set(region, layout);
    layout.then(
      (value) => {
        if (this.#layouts.get(region) === layout) this.#known.set(region, value);
      },
      () => this.#layouts.delete(region),
    );
    for (const oldest of this.#layouts.keys()) {
      if (this.#layouts.size <= MAX_LAYOUTS) break;
      this.#layouts.delete(oldest);
      this.#known.delete(oldest);
    }
    return layout;
  }

  async #readLayout(region: number): Promise<Layout | undefined> {
    const leaf = await this.#tree.leafDigest(region);
    return leaf === undefined ? undefined : { leaf, chunks: await this.#tree.chunksOfLeaf(leaf) };
  }

  /** Have the region of a sequential reader and the next ones decoded by the workers. */
  #readAhead(offset: number, end: number): void {
    if (this.#announced.some((range) => range.offset <= offset && end <= range.end)) return;
    const stream = this.#stream(offset, end);
    if (stream.sequentialBytes < SEQUENTIAL_BYTES) return;
    const region = Math.floor(offset / REGION_BYTES);
    const until = Math.min(region + 1 + READ_AHEAD_REGIONS, this.#tree.regions);
    for (let next = Math.max(region, stream.aheadUntil); next < until; next++) void this.#fetch(next);
    stream.aheadUntil = Math.max(until, stream.aheadUntil);
  }

  /** The reading that goes on here, or a new one in the place of that which was quiet for the longest time. */
  #stream(offset: number, end: number): Stream {
    const streams = this.#streams;
    for (let index = streams.length - 1; index >= 0; index--) {
      const stream = streams[index];
      if (stream === undefined || Math.abs(offset - stream.expected) > SEQUENTIAL_WINDOW_BYTES) continue;
      stream.sequentialBytes += Math.max(0, end - Math.max(offset, stream.expected));
      stream.expected = Math.max(end, stream.expected);
      if (index < streams.length - 1) streams.push(...streams.splice(index, 1));
      return stream;
    }
    if (streams.length >= MAX_STREAMS) streams.shift();
    const stream = { sequentialBytes: 0, expected: end, aheadUntil: 0 };
    streams.push(stream);
    return stream;
  }

  async #fetch(region: number): Promise<void> {
    try {
      const layout = await this.#layout(region);
      if (layout !== undefined) this.#context.regions.fetch(layout.leaf, layout.chunks);
    } catch {
      // What can't be read ahead is read again, and reported, when someone asks for it.
    }
  }
}

/** Index of the first chunk that ends behind `offset` bytes. */
function firstChunkBehind(chunks: readonly ChunkRef[], offset: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const chunk = chunks[middle];
    if (chunk !== undefined && (chunk.firstBlock + chunk.blocks) * BLOCK_BYTES <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
