import { Budget } from '../../blocks/budget.js';
import { type ByteSource, lengthWithin } from '../../blocks/byte-source.js';
import type { Extent, FileReader } from '../filesystem.js';
import { damaged } from './damaged.js';
import { type ExtentMap, isMapping, MOST_PIECES, type Piece } from './extent-map.js';
import type { Geometry } from './geometry.js';

/** The content of one regular file. Extents that were never written are zeros, like holes. */
export class FileContent implements FileReader {
  readonly sizeBytes: number;
  readonly #geometry: Geometry;
  readonly #source: ByteSource;
  readonly #map: ExtentMap;

  constructor(geometry: Geometry, source: ByteSource, map: ExtentMap, sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#geometry = geometry;
    this.#source = source;
    this.#map = map;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    const { blockBytes } = this.#geometry.superblock;
    for (let done = 0; done < length;) {
      const piece = this.#map.find(Math.floor((offset + done) / blockBytes));
      if (piece instanceof Promise) return this.#readOn(target, offset, length, done, piece);
      const part = this.#part(piece, offset + done, length - done);
      const read = this.#readPart(target.subarray(done, done + part), offset + done, piece);
      if (read instanceof Promise) {
        if (done + part === length) return read.then(() => length);
        return this.#readOn(target, offset, length, done + part, undefined, read);
      }
      done += part;
    }
    return length;
  }

  /** Where the bytes stand, in order, up to the size. */
  async *extents(): AsyncGenerator<Extent> {
    const { blockBytes } = this.#geometry.superblock;
    const budget = new Budget(MOST_PIECES, 'extents of a file');
    for (let offset = 0; offset < this.sizeBytes;) {
      budget.spend();
      const found = this.#map.find(Math.floor(offset / blockBytes));
      const piece = found instanceof Promise ? await found : found;
      const length = this.#part(piece, offset, this.sizeBytes - offset);
      yield this.#extent(piece, offset, length);
      offset += length;
    }
  }

  #extent(piece: Piece, offset: number, length: number): Extent {
    const place = this.#placeOf(piece, offset, length);
    if (place === undefined) return { kind: 'hole', offset, length };
    return { kind: 'stored', offset, length, encoded: false, locations: this.#source.locate(place, length) };
  }

  async #readOn(
    target: Uint8Array,
    offset: number,
    length: number,
    start: number,
    first?: Promise<Piece>,
    before?: Promise<void>,
  ): Promise<number> {
    const { blockBytes } = this.#geometry.superblock;
    await before;
    for (let done = start, piece = await first; done < length; piece = undefined) {
      piece ??= await this.#map.find(Math.floor((offset + done) / blockBytes));
      const part = this.#part(piece, offset + done, length - done);
      await this.#readPart(target.subarray(done, done + part), offset + done, piece);
      done += part;
    }
    return length;
  }

  /** How many of `length` bytes from `offset` lie in the piece. */
  #part(piece: Piece, offset: number, length: number): number {
    return Math.min(length, (piece.start + piece.count) * this.#geometry.superblock.blockBytes - offset);
  }

  #readPart(target: Uint8Array, offset: number, piece: Piece): void | Promise<void> {
    const place = this.#placeOf(piece, offset, target.length);
    if (place === undefined) {
      target.fill(0);
      return;
    }
    const read = this.#source.read(target, place);
    if (read instanceof Promise)
      return read.then((count) => {
        this.#checkRead(count, target.length);
      });
    this.#checkRead(read, target.length);
  }

  /** Where on the volume the bytes from `offset` stand; undefined if they are zeros. */
  #placeOf(piece: Piece, offset: number, length: number): number | undefined {
    if (!isMapping(piece) || piece.unwritten) return undefined;
    const inPiece = offset - piece.start * this.#geometry.superblock.blockBytes;
    const place = this.#geometry.offsetOf(piece.block, piece.count) + inPiece;
    if (place + length > this.#source.sizeBytes) throw damaged('an extent lies behind the end of the volume');
    return place;
  }

  #checkRead(count: number, length: number): void {
    if (count < length) throw damaged('the volume ends inside of a file');
  }
}
