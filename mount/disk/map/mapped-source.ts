import { type ByteSource, lengthWithin, type Location, outside } from '../../blocks/byte-source.js';

/** A stretch of bytes that stands in one piece in another source, or is zeros. */
export interface Run {
  /** Undefined for zeros. */
  readonly source?: ByteSource | undefined;
  readonly offset: number;
  readonly length: number;
}

/**
 * Says where bytes stand, in order: the first run begins at `offset`, their lengths add up to `length`. What is asked
 * for always lies inside.
 */
export type Mapping = (offset: number, length: number) => Iterable<Run>;

/** A run of another source that is read at once, and the parts of the target that it fills. */
interface Piece {
  readonly source: ByteSource;
  readonly offset: number;
  length: number;
  readonly parts: { at: number; length: number }[];
}

/** Bytes that stand in other sources by a rule: stripes, concatenated disks, the blocks of a thin volume. */
export class MappedSource implements ByteSource {
  readonly sizeBytes: number;
  readonly #map: Mapping;

  constructor(sizeBytes: number, map: Mapping) {
    this.sizeBytes = sizeBytes;
    this.#map = map;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    if (length === 0) return 0;
    const pieces = this.#pieces(target, offset, length);
    const [only, ...more] = pieces;
    if (only !== undefined && more.length === 0 && only.parts.length === 1 && only.length === length) {
      const read = only.source.read(target.length === length ? target : target.subarray(0, length), only.offset);
      return typeof read === 'number' ? checked(only, read) : read.then((count) => checked(only, count));
    }
    return readAll(pieces, target).then(() => length);
  }

  locate(offset: number, length: number): readonly Location[] {
    const locations: Location[] = [];
    for (const run of this.#map(offset, length)) {
      const found = run.source?.locate(run.offset, run.length) ?? [{ length: run.length, offset: 0 }];
      for (const location of found) append(locations, location);
    }
    return locations;
  }

  /** What is to be read, each contiguous piece of a source once; zeros are filled in at once. */
  #pieces(target: Uint8Array, offset: number, length: number): Piece[] {
    const pieces: Piece[] = [];
    const last = new Map<ByteSource, Piece>();
    let at = 0;
    for (const run of this.#map(offset, length)) {
      if (run.source === undefined) target.fill(0, at, at + run.length);
      else addRun(pieces, last, run.source, run, at);
      at += run.length;
    }
    return pieces;
  }
}

function addRun(pieces: Piece[], last: Map<ByteSource, Piece>, source: ByteSource, run: Run, at: number): void {
  const before = last.get(source);
  if (before === undefined || before.offset + before.length !== run.offset) {
    const piece = { source, offset: run.offset, length: run.length, parts: [{ at, length: run.length }] };
    pieces.push(piece);
    last.set(source, piece);
    return;
  }
  before.length += run.length;
  const part = before.parts.at(-1);
  if (part !== undefined && part.at + part.length === at) part.length += run.length;
  else before.parts.push({ at, length: run.length });
}

/** Stripes that follow one another on a disk and not in the target are read in one piece and then dealt out. */
async function readAll(pieces: readonly Piece[], target: Uint8Array): Promise<void> {
  await Promise.all(
    pieces.map(async (piece) => {
      const { source, offset, length, parts } = piece;
      const [first] = parts;
      if (first !== undefined && parts.length === 1) {
        checked(piece, await source.read(target.subarray(first.at, first.at + length), offset));
        return;
      }
      const bytes = Buffer.allocUnsafe(length);
      checked(piece, await source.read(bytes, offset));
      let from = 0;
      for (const part of parts) {
        target.set(bytes.subarray(from, from + part.length), part.at);
        from += part.length;
      }
    }),
  );
}

/** @throws {UmbraError} FILESYSTEM_DAMAGED when the source is shorter than what is mapped to it */
function checked({ source, offset, length }: Piece, read: number): number {
  if (read < length) throw outside(source, offset, length);
  return read;
}

function append(locations: Location[], location: Location): void {
  const last = locations.at(-1);
  const follows =
    last !== undefined &&
    last.volume === location.volume &&
    (last.volume === undefined || last.offset + last.length === location.offset);
  if (follows) locations[locations.length - 1] = { ...last, length: last.length + location.length };
  else locations.push(location);
}
