import type { FileId, FileReader, Filesystem } from '../../mount/filesystems/filesystem.js';
import { digestOf, sameBytes } from '../codec/digest.js';
import { BLOCK_BYTES } from '../codec/formats.js';
import { contentPieces, nameOf, type ContentPiece } from './content-pieces.js';
import { sameExtents } from './same-extents.js';
import type { Verdicts } from './verdicts.js';
import type { VolumeChanges } from './volume-changes.js';
import type { VolumeLayout } from './volume-layout.js';

/** A regular file in a shadow copy. */
export interface FileSide {
  readonly filesystem: Filesystem;
  readonly id: FileId;
  readonly layout: VolumeLayout;
}

export interface CompareOptions {
  /** What changed from the first side to the second, where it is known: unchanged files are told sooner. */
  readonly changes?: VolumeChanges;
  /** What was found out before by reading. */
  readonly verdicts?: Verdicts;
  readonly signal: AbortSignal;
  /** Called with the number of bytes of each side that were read to compare them. */
  readonly onRead: (bytes: number) => void;
}

/** A stretch of two files that may or may not be the same. */
interface Doubt {
  readonly offset: number;
  length: number;
}

/** So many doubts are collected before anything is read. */
const MAX_DOUBTS = 4_096;
const PIECE_BYTES = 256 * 1024;

/**
 * Whether two files of the same size have the same content. What lies in the same place of the same chunks is the same,
 * and needs no reading; whole chunks of different names at the same place of both differ. Only what is left is read:
 * parts of chunks that were cut otherwise, or are shared with something else that changed, and what stands among
 * metadata. What reading showed is remembered.
 *
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED, CANCELLED
 */
export async function sameContent(a: FileSide, b: FileSide, options: CompareOptions): Promise<boolean> {
  const { changes } = options;
  if (changes !== undefined && (await sameExtents(a, b, changes))) return true;
  return await new Comparison(a, b, options).run();
}

class Comparison {
  readonly #a: FileSide;
  readonly #b: FileSide;
  readonly #options: CompareOptions;
  readonly #readers: { a?: FileReader; b?: FileReader } = {};
  #doubts: Doubt[] = [];
  /** What names all doubts; undefined when something has no name. */
  #names: Buffer[] | undefined = [];

  constructor(a: FileSide, b: FileSide, options: CompareOptions) {
    this.#a = a;
    this.#b = b;
    this.#options = options;
  }

  async run(): Promise<boolean> {
    const left = new PieceCursor(contentPieces(this.#a.filesystem, this.#a.id, this.#a.layout));
    const right = new PieceCursor(contentPieces(this.#b.filesystem, this.#b.id, this.#b.layout));
    let offset = 0;
    for (;;) {
      this.#options.signal.throwIfAborted();
      const [one, two] = [await left.current(), await right.current()];
      if (one === undefined || two === undefined) {
        if (one !== two) return false;
        break;
      }
      const length = Math.min(one.length, two.length);
      const same = verdictOf(one, two);
      if (same === false) return false;
      if (same === undefined) {
        this.#doubt(offset, length, one, two);
        if (this.#doubts.length > MAX_DOUBTS && !(await this.#readDoubts())) return false;
      }
      left.advance(length);
      right.advance(length);
      offset += length;
    }
    return await this.#settle();
  }

  #doubt(offset: number, length: number, one: ContentPiece, two: ContentPiece): void {
    const last = this.#doubts.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else this.#doubts.push({ offset, length });
    const names = [nameOf(one), nameOf(two)];
    if (this.#names === undefined) return;
    if (names[0] === undefined || names[1] === undefined || this.#names.length > 2 * MAX_DOUBTS) {
      this.#names = undefined;
    } else this.#names.push(Buffer.from(`${length};`), names[0], names[1]);
  }

  /** Read what is in doubt, unless it is remembered. */
  async #settle(): Promise<boolean> {
    if (this.#doubts.length === 0) return true;
    const { verdicts } = this.#options;
    const key = this.#names === undefined ? undefined : digestOf(Buffer.concat(this.#names));
    const known = key === undefined ? undefined : await verdicts?.get(key);
    if (known !== undefined) return known;
    const same = await this.#readDoubts();
    if (key !== undefined) await verdicts?.set(key, same);
    return same;
  }

  async #readDoubts(): Promise<boolean> {
    const doubts = this.#doubts;
    this.#doubts = [];
    // Of more than that there is no verdict to remember.
    if (doubts.length > MAX_DOUBTS) this.#names = undefined;
    const a = (this.#readers.a ??= await this.#a.filesystem.open(this.#a.id));
    const b = (this.#readers.b ??= await this.#b.filesystem.open(this.#b.id));
    for (const { offset, length } of doubts) {
      if (!(await this.#sameRange(a, b, offset, length))) return false;
    }
    return true;
  }

  async #sameRange(a: FileReader, b: FileReader, offset: number, length: number): Promise<boolean> {
    const [left, right] = [Buffer.alloc(Math.min(length, PIECE_BYTES)), Buffer.alloc(Math.min(length, PIECE_BYTES))];
    for (let done = 0; done < length;) {
      this.#options.signal.throwIfAborted();
      const part = Math.min(length - done, PIECE_BYTES);
      const [one, two] = [left.subarray(0, part), right.subarray(0, part)];
      const counts = [await a.read(one, offset + done), await b.read(two, offset + done)];
      this.#options.onRead(part);
      if (counts[0] !== counts[1] || !one.equals(two)) return false;
      if (counts[0] !== part) return true;
      done += part;
    }
    return true;
  }
}

/** True or false if it is certain from the names alone, else undefined. */
function verdictOf(one: ContentPiece, two: ContentPiece): boolean | undefined {
  if (one.kind === 'zeros' && two.kind === 'zeros') return true;
  if (one.kind === 'encoded' && two.kind === 'encoded') {
    return one.length === two.length && one.key.equals(two.key) ? true : undefined;
  }
  if (one.kind === 'chunk' && two.kind === 'chunk') {
    const same = sameBytes(one.chunk.digest, two.chunk.digest);
    if (same && one.offset === two.offset) return true;
    return !same && isWhole(one) && isWhole(two) && one.length === two.length ? false : undefined;
  }
  // No block of a chunk is all zeros.
  if (one.kind === 'zeros' && two.kind === 'chunk') return hasBlock(two, one.length) ? false : undefined;
  if (one.kind === 'chunk' && two.kind === 'zeros') return hasBlock(one, two.length) ? false : undefined;
  return undefined;
}

type ChunkPiece = Extract<ContentPiece, { kind: 'chunk' }>;

function isWhole({ offset, length, chunk }: ChunkPiece): boolean {
  return offset === 0 && length === chunk.blocks * BLOCK_BYTES;
}

/** True if the first `length` bytes of a piece have a whole block in them. */
function hasBlock({ offset, length }: ChunkPiece, within: number): boolean {
  const firstBlock = Math.ceil(offset / BLOCK_BYTES);
  const end = offset + Math.min(length, within);
  return end >= (firstBlock + 1) * BLOCK_BYTES;
}

/** The pieces of a file, of which any number of bytes can be passed. */
class PieceCursor {
  readonly #pieces: AsyncGenerator<ContentPiece>;
  #piece: ContentPiece | undefined;

  constructor(pieces: AsyncGenerator<ContentPiece>) {
    this.#pieces = pieces;
  }

  /** What is left of the piece at the cursor; undefined at the end. */
  async current(): Promise<ContentPiece | undefined> {
    while (this.#piece === undefined || this.#piece.length === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) return undefined;
      this.#piece = next.value;
    }
    return this.#piece;
  }

  advance(length: number): void {
    const piece = this.#piece;
    if (piece === undefined) return;
    const left = piece.length - length;
    if (piece.kind === 'chunk') this.#piece = { ...piece, length: left, offset: piece.offset + length };
    // A part of what was encoded has no name of its own.
    else if (piece.kind === 'encoded') this.#piece = { kind: 'unnamed', length: left };
    else this.#piece = { kind: piece.kind, length: left };
  }
}
