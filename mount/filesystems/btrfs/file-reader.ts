import { lengthWithin } from '../../blocks/byte-source.js';
import type { Extent, FileReader } from '../filesystem.js';
import { decompress } from './compression.js';
import { Compression, type FileExtent, type FileExtents } from './file-extent.js';
import type { DataReader } from './data-reader.js';

type Compressed = Extract<FileExtent, { kind: 'compressed' }>;

/** What a file's content is read with. */
export interface FileContent {
  readonly sizeBytes: number;
  readonly extents: FileExtents;
  readonly data: DataReader;
  readonly hasChecksums: boolean;
  readonly sectorBytes: number;
}

/** A file open for reading. The last compressed extents are kept: small reads of one do not decompress it each time. */
export class BtrfsFile implements FileReader {
  readonly sizeBytes: number;
  readonly #content: FileContent;
  readonly #plain = new Map<number, Promise<Buffer>>();

  constructor(content: FileContent) {
    this.#content = content;
    this.sizeBytes = content.sizeBytes;
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    for (let done = 0; done < length;) {
      const at = offset + done;
      const extent = await this.#content.extents.at(at, offset + length);
      const part = Math.min(length - done, extent.offset + extent.length - at);
      await this.#readExtent(target.subarray(done, done + part), extent, at - extent.offset);
      done += part;
    }
    return length;
  }

  async #readExtent(target: Uint8Array, extent: FileExtent, skip: number): Promise<void> {
    const { data, hasChecksums } = this.#content;
    if (extent.kind === 'hole') target.fill(0);
    else if (extent.kind === 'plain') await data.read(target, extent.logical + skip, hasChecksums);
    else {
      const plain = extent.kind === 'inline' ? this.#inline(extent) : await this.#decompressed(extent);
      const start = skip + (extent.kind === 'inline' ? 0 : extent.skip);
      target.set(plain.subarray(start, start + target.length));
    }
  }

  #inline({ compression, data, length }: Extract<FileExtent, { kind: 'inline' }>): Buffer {
    if (compression === Compression.none) return data;
    return decompress(compression, data, length, this.#content.sectorBytes);
  }

  #decompressed(extent: Compressed): Promise<Buffer> {
    const known = this.#plain.get(extent.logical);
    if (known !== undefined) return known;
    for (const oldest of this.#plain.keys()) if (this.#plain.size > 1) this.#plain.delete(oldest);
    const loading = this.#load(extent);
    this.#plain.set(extent.logical, loading);
    loading.catch(() => this.#plain.delete(extent.logical));
    return loading;
  }

  async #load({ logical, storedBytes, compression, plainBytes }: Compressed): Promise<Buffer> {
    const { data, hasChecksums, sectorBytes } = this.#content;
    const stored = Buffer.allocUnsafe(storedBytes);
    await data.read(stored, logical, hasChecksums);
    return decompress(compression, stored, plainBytes, sectorBytes);
  }
}

/** Where a file's content stands. */
export async function* fileExtents(content: FileContent): AsyncGenerator<Extent> {
  const { sizeBytes, extents } = content;
  for (let offset = 0; offset < sizeBytes;) {
    const extent = await extents.at(offset, sizeBytes);
    const length = Math.min(sizeBytes, extent.offset + extent.length) - offset;
    yield await placed(content, extent, offset, length);
    offset += length;
  }
}

async function placed(
  { data, sectorBytes }: FileContent,
  extent: FileExtent,
  offset: number,
  length: number,
): Promise<Extent> {
  if (extent.kind === 'hole' || extent.kind === 'inline') return { kind: extent.kind, offset, length };
  if (extent.kind === 'compressed') {
    const locations = await data.locate(extent.logical, extent.storedBytes);
    const encodedFrom = extent.skip + (offset - extent.offset);
    // LZO's pieces are laid out by the sectors.
    const encoding = `btrfs-${extent.compression}-${sectorBytes}`;
    const how = { encoded: true, encoding, ...(encodedFrom === 0 ? {} : { encodedFrom }) };
    return { kind: 'stored', offset, length, ...how, locations };
  }
  const locations = await data.locate(extent.logical + (offset - extent.offset), length);
  return { kind: 'stored', offset, length, encoded: false, locations };
}
