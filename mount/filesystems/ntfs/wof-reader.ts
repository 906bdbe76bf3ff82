import { lengthWithin } from '../../blocks/byte-source.js';
import type { FileReader } from '../filesystem.js';
import { openStream } from './open-stream.js';
import type { NtfsCore } from './core.js';
import { Lru } from '../lru.js';
import { decompressLzx } from './lzx.js';
import { damaged, readSize } from './parse.js';
import type { Stream } from './stream.js';
import type { WofCompression } from './wof.js';
import { decompressXpress } from './xpress.js';

export interface WofReaderOptions {
  readonly core: NtfsCore;
  readonly compression: WofCompression;
  /** Of the file, not compressed. */
  readonly sizeBytes: number;
  /** The stream with the compressed bytes: a table of where each chunk but the first begins, then the chunks. */
  readonly packed: Stream;
}

const KEPT_CHUNKS = 2;
/** Compressed chunks are read together, up to this much. */
const GROUP_BYTES = 1024 * 1024;
const PAGE_ENTRIES = 4096;
const MAX_UINT32 = 0xffffffff;

/** Reads a file that Windows compressed with XPRESS or LZX ("CompactOS"), chunk by chunk. */
export class WofReader implements FileReader {
  readonly sizeBytes: number;
  readonly #packed: FileReader;
  readonly #chunkBytes: number;
  readonly #decompress: (input: Uint8Array, target: Uint8Array) => void;
  readonly #chunks: number;
  readonly #entryBytes: number;
  readonly #tableBytes: number;
  readonly #kept = new Lru<number, Uint8Array>(KEPT_CHUNKS);
  /** Pieces of the table of places. */
  readonly #pages = new Lru<number, Buffer>(2);

  /** @throws {UmbraError} FILESYSTEM_DAMAGED */
  constructor({ core, compression, sizeBytes, packed }: WofReaderOptions) {
    this.sizeBytes = sizeBytes;
    this.#packed = openStream(core, packed);
    this.#chunkBytes = compression.chunkBytes;
    this.#decompress = compression.algorithm === 'lzx' ? decompressLzx : decompressXpress;
    this.#chunks = Math.ceil(sizeBytes / this.#chunkBytes);
    this.#entryBytes = sizeBytes > MAX_UINT32 ? 8 : 4;
    this.#tableBytes = Math.max(0, this.#chunks - 1) * this.#entryBytes;
    if (this.#tableBytes > packed.sizeBytes) throw damaged('the table of a compressed file is cut off');
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    for (let done = 0; done < length;) done += await this.#readGroup(target.subarray(done, length), offset + done);
    return length;
  }

  /** Read what lies in the next few chunks. */
  async #readGroup(target: Uint8Array, offset: number): Promise<number> {
    const first = Math.floor(offset / this.#chunkBytes);
    const known = this.#kept.get(first);
    const inside = offset - first * this.#chunkBytes;
    if (known !== undefined) {
      const part = known.subarray(inside, inside + target.length);
      target.set(part);
      return part.length;
    }
    const end = Math.ceil((offset + target.length) / this.#chunkBytes);
    const last = Math.min(end, first + GROUP_BYTES / this.#chunkBytes);
    return await this.#expandGroup(target, offset, first, last);
  }

  async #expandGroup(target: Uint8Array, offset: number, first: number, end: number): Promise<number> {
    const places = await this.#places(first, end);
    const start = places[0] ?? 0;
    const input = Buffer.allocUnsafe((places[places.length - 1] ?? 0) - start);
    const packedOffset = this.#tableBytes + start;
    if (packedOffset + input.length > this.#packed.sizeBytes) throw damaged('a compressed file is cut off');
    await this.#packed.read(input, packedOffset);
    let done = 0;
    for (let chunk = first; chunk < end && done < target.length; chunk++) {
      const from = (places[chunk - first] ?? 0) - start;
      const packed = input.subarray(from, (places[chunk - first + 1] ?? 0) - start);
      done += this.#place(target.subarray(done), offset + done, chunk, packed);
    }
    return done;
  }

  /** Put what is wanted of a chunk into `target`. */
  #place(target: Uint8Array, offset: number, chunk: number, packed: Uint8Array): number {
    const start = chunk * this.#chunkBytes;
    const length = Math.min(this.#chunkBytes, this.sizeBytes - start);
    if (offset === start && target.length >= length) {
      this.#expand(packed, target.subarray(0, length));
      return length;
    }
    const whole = this.#kept.set(chunk, new Uint8Array(length));
    this.#expand(packed, whole);
    const part = whole.subarray(offset - start, offset - start + target.length);
    target.set(part);
    return part.length;
  }

  /** A chunk that did not shrink is stored as it is. */
  #expand(packed: Uint8Array, target: Uint8Array): void {
    if (packed.length === target.length) target.set(packed);
    else this.#decompress(packed, target);
  }

  /** Where the chunks from `first` on begin behind the table, and where the one before `end` ends. */
  async #places(first: number, end: number): Promise<number[]> {
    const places: number[] = [];
    for (let chunk = first; chunk <= end; chunk++) {
      const place = await this.#placeOf(chunk);
      const length = place - (places.at(-1) ?? place);
      if (length < 0 || length > this.#chunkBytes) throw damaged('the table of a compressed file makes no sense');
      places.push(place);
    }
    return places;
  }

  async #placeOf(chunk: number): Promise<number> {
    if (chunk === 0) return 0;
    if (chunk === this.#chunks) return this.#packed.sizeBytes - this.#tableBytes;
    const entry = chunk - 1;
    const page = Math.floor(entry / PAGE_ENTRIES);
    const bytes = this.#pages.get(page) ?? (await this.#loadPage(page));
    const at = (entry - page * PAGE_ENTRIES) * this.#entryBytes;
    return this.#entryBytes === 4 ? bytes.readUInt32LE(at) : readSize(bytes, at);
  }

  async #loadPage(page: number): Promise<Buffer> {
    const offset = page * PAGE_ENTRIES * this.#entryBytes;
    const bytes = Buffer.alloc(Math.min(PAGE_ENTRIES * this.#entryBytes, this.#tableBytes - offset));
    await this.#packed.read(bytes, offset);
    return this.#pages.set(page, bytes);
  }
}
