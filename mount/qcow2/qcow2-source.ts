import { UmbraError } from '../../src/common/errors.js';
import { type FilePlace, offsetIn } from '../../src/qcow2/entries.js';
import { entryBytesOf, type Qcow2Header } from '../../src/qcow2/header.js';
import type { MetadataReader } from '../blocks/block-cache.js';
import { type ByteSource, lengthWithin, type Location } from '../blocks/byte-source.js';
import { decompressCluster } from './decompress.js';
import type { ImageCaches } from './image-caches.js';
import { type Piece, piecesOf, type Place } from './pieces.js';

const SECTOR = 512;
const L1_ENTRY_BYTES = 8;

export interface Qcow2Options {
  /** As the messages name it: `vda.1`. */
  readonly name: string;
  readonly file: ByteSource;
  readonly header: Qcow2Header;
  /** The disk that it lies on; none if it lies on nothing. */
  readonly below: ByteSource | undefined;
  readonly caches: ImageCaches;
}

/**
 * The disk that a qcow2 file holds. Where its tables lead is a guest's to write: what they say is checked at each step, and
 * nothing but pieces of them is in memory, within the caches' bounds.
 */
export class Qcow2Source implements ByteSource {
  readonly sizeBytes: number;
  readonly #options: Qcow2Options;
  readonly #tables: MetadataReader;
  readonly #clusterBytes: number;
  /** What one L2 table maps. */
  readonly #tableBytes: number;

  constructor(options: Qcow2Options) {
    const { header, file, caches } = options;
    this.#options = options;
    // QEMU counts sectors, and leaves out what begins another one.
    this.sizeBytes = header.sizeBytes - (header.sizeBytes % SECTOR);
    this.#tables = caches.blocks.reader(file);
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#tableBytes = (this.#clusterBytes / entryBytesOf(header)) * this.#clusterBytes;
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED, PROGRAM_MISSING */
  async read(target: Uint8Array, offset: number): Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    for (let done = 0; done < length;) {
      const at = offset + done;
      const part = Math.min(length - done, this.#tableBytes - (at % this.#tableBytes));
      await this.#readPart(target.subarray(done, done + part), at);
      done += part;
    }
    return length;
  }

  /** Which bytes stand where, only the tables know, which would have to be read: so nobody is told. */
  locate(_offset: number, length: number): readonly Location[] {
    return length === 0 ? [] : [{ length, offset: 0 }];
  }

  /** Forget what is kept of it. */
  close(): void {
    this.#options.caches.blocks.drop(this.#tables);
  }

  /** What one L2 table maps all of. */
  async #readPart(target: Uint8Array, offset: number): Promise<void> {
    let done = 0;
    for (const { length, place } of await this.#pieces(offset, target.length)) {
      await this.#fill(target.subarray(done, done + length), offset + done, place);
      done += length;
    }
  }

  async #pieces(offset: number, length: number): Promise<Iterable<Piece>> {
    const { header } = this.#options;
    const table = await this.#l2Table(Math.floor(offset / this.#tableBytes));
    if (table === 0) return [{ length, place: { kind: 'below' } }];
    const entryBytes = entryBytesOf(header);
    const first = Math.floor((offset % this.#tableBytes) / this.#clusterBytes);
    const count = Math.ceil(((offset % this.#clusterBytes) + length) / this.#clusterBytes);
    const entries = await this.#tables.get(table + first * entryBytes, count * entryBytes);
    return piecesOf(header, entries, offset, length);
  }

  /** Where in the file an L2 table stands; 0 where there is none. */
  async #l2Table(index: number): Promise<number> {
    const { header, file } = this.#options;
    const entry = await this.#tables.get(header.l1Offset + index * L1_ENTRY_BYTES, L1_ENTRY_BYTES);
    const offset = offsetIn({ high: entry.readUInt32BE(0), low: entry.readUInt32BE(4) });
    if (offset % this.#clusterBytes !== 0) throw this.#damaged('an L2 table at a place where none can be');
    if (offset + this.#clusterBytes > file.sizeBytes) throw this.#damaged('an L2 table behind its end');
    return offset;
  }

  async #fill(target: Uint8Array, offset: number, place: Place): Promise<void> {
    const { file, below } = this.#options;
    switch (place.kind) {
      case 'zeros':
        target.fill(0);
        return;
      case 'below':
        await fillFrom(target, below, offset);
        return;
      case 'stored':
        // The last cluster may have an end that was never written, and reads as zeros; one that is not there at all was cut off.
        if (place.offset >= file.sizeBytes) throw this.#damaged('a cluster behind its end');
        await fillFrom(target, file, place.offset);
        return;
      case 'compressed': {
        const start = offset - place.cluster * this.#clusterBytes;
        target.set((await this.#cluster(place.cluster, place.from)).subarray(start, start + target.length));
        return;
      }
      case 'nonsense':
        throw this.#damaged(place.what);
    }
  }

  async #cluster(cluster: number, { offset, length }: FilePlace): Promise<Buffer> {
    const { file, header, caches } = this.#options;
    const key = `${this.#tables.prefix}${cluster}`;
    const known = caches.clusters.get(key);
    if (known !== undefined) return known;
    if (offset >= file.sizeBytes) throw this.#damaged('a compressed cluster behind its end');
    const stored = Buffer.allocUnsafe(length);
    await fillFrom(stored, file, offset);
    const plain = decompressCluster(header.compression, stored, this.#clusterBytes);
    if (plain === undefined) throw this.#damaged('a compressed cluster that makes no sense');
    return caches.clusters.set(key, plain);
  }

  #damaged(what: string): UmbraError {
    return new UmbraError('FILESYSTEM_DAMAGED', `the qcow2 file ${this.#options.name} is damaged: it has ${what}`);
  }
}

/** What lies behind the end of a source, or in none, reads as zeros. */
async function fillFrom(target: Uint8Array, source: ByteSource | undefined, offset: number): Promise<void> {
  const length = source === undefined ? 0 : lengthWithin(source.sizeBytes, target.length, offset);
  const read = length === 0 ? 0 : ((await source?.read(target.subarray(0, length), offset)) ?? 0);
  target.fill(0, read);
}
