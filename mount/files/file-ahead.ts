import type { Extent } from '../filesystems/filesystem.js';

/** What is announced at once: a store decodes as much in one go. */
const UNIT_BYTES = 4 * 1024 * 1024;
/** Pieces announced and not read yet, at most. */
const MAX_AHEAD = 4;
/** Smaller pieces are not worth that a whole unit is decoded. */
const MIN_PIECE_BYTES = 1024 * 1024;
/** Nothing farther ahead in the file is announced, however small the pieces are. */
const MAX_REACH_BYTES = MAX_AHEAD * UNIT_BYTES;
/** Announcing begins after so many bytes in order: of shorter files nothing is ever announced. */
export const SEQUENTIAL_BYTES = 256 * 1024;
/** A read is in order when it begins at most so far from the end of one before: the kernel sends several at once. */
const SEQUENTIAL_WINDOW_BYTES = 1024 * 1024;
/** Steps through the extents in one go. */
const MAX_STEPS = 256;

/** A stretch of a file that lies in one unit of one volume. */
interface Piece {
  readonly fileOffset: number;
  readonly volume: string;
  readonly offset: number;
  readonly length: number;
}

/** Says that `length` bytes of a volume, from `offset`, are going to be read. */
export type Announce = (volume: string, offset: number, length: number) => void;

/**
 * Announces what a program that reads a file in order is going to read. All that a volume sees is that somebody reads in
 * order until an extent ends, and that somebody begins elsewhere; where the file goes on, its file system knows.
 * A program that went back in the file is not helped any more: few do, and each time the extents would begin anew.
 */
export class FileAhead {
  readonly #pieces: AsyncGenerator<Piece | undefined, void>;
  readonly #announce: Announce;
  /** The next piece, if it is known. */
  #held: Piece | undefined;
  /** Where in the file the announced pieces end, in order. */
  readonly #ends: number[] = [];
  #expected = 0;
  #sequentialBytes = 0;
  #isBusy = false;

  constructor(extents: AsyncIterable<Extent>, announce: Announce) {
    this.#pieces = piecesOf(extents);
    this.#announce = announce;
  }

  /** A part of the file is read now. */
  read(offset: number, length: number): void {
    const end = offset + length;
    if (Math.abs(offset - this.#expected) > SEQUENTIAL_WINDOW_BYTES) {
      this.#sequentialBytes = 0;
      this.#expected = end;
      return;
    }
    this.#sequentialBytes += Math.max(0, end - Math.max(offset, this.#expected));
    this.#expected = Math.max(end, this.#expected);
    if (this.#sequentialBytes < SEQUENTIAL_BYTES || this.#isBusy || !this.#hasRoom()) return;
    this.#isBusy = true;
    void this.#goOn().finally(() => {
      this.#isBusy = false;
    });
  }

  /** Nothing is read any more. */
  close(): void {
    void this.#pieces.return(undefined);
  }

  async #goOn(): Promise<void> {
    try {
      for (let steps = 0; steps < MAX_STEPS && this.#hasRoom(); steps++) {
        if (this.#held === undefined) {
          const { done, value } = await this.#pieces.next();
          if (done === true) return;
          this.#held = value;
        } else if (!this.#take(this.#held)) return;
      }
    } catch {
      // Who reads on gets the error; there are no more pieces.
    }
  }

  /** False if the piece's time has not come. */
  #take({ fileOffset, volume, offset, length }: Piece): boolean {
    if (fileOffset > this.#expected + MAX_REACH_BYTES) return false;
    this.#held = undefined;
    const end = fileOffset + length;
    if (end <= this.#expected) return true;
    this.#ends.push(end);
    this.#announce(volume, offset, length);
    return true;
  }

  #hasRoom(): boolean {
    while ((this.#ends[0] ?? Infinity) <= this.#expected) this.#ends.shift();
    return this.#ends.length < MAX_AHEAD;
  }
}

/** The pieces of a file in order; undefined where there is something that is not worth announcing. */
async function* piecesOf(extents: AsyncIterable<Extent>): AsyncGenerator<Piece | undefined, void> {
  for await (const extent of extents) {
    let fileOffset = extent.offset;
    // What is decoded from many small pieces lies side by side as a rule, and is seen as one by the volume.
    const locations = extent.kind === 'stored' && !extent.encoded ? extent.locations : [];
    if (locations.length === 0) yield undefined;
    for (const { volume, offset, length } of locations) {
      if (volume === undefined || length < MIN_PIECE_BYTES) yield undefined;
      else yield* cut({ fileOffset, volume, offset, length });
      fileOffset += length;
    }
  }
}

function* cut({ fileOffset, volume, offset, length }: Piece): Generator<Piece> {
  for (let at = 0; at < length;) {
    const part = Math.min(length - at, UNIT_BYTES - ((offset + at) % UNIT_BYTES));
    yield { fileOffset: fileOffset + at, volume, offset: offset + at, length: part };
    at += part;
  }
}
