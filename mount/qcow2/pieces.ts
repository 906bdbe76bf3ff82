import { compressedPlace, type FilePlace, isCompressed, offsetIn } from '../../src/qcow2/entries.js';
import { entryBytesOf, type Qcow2Header } from '../../src/qcow2/header.js';

/** Where a stretch of a disk has its bytes. */
export type Place =
  /** In the file that this one lies on. */
  | { readonly kind: 'below' }
  | { readonly kind: 'zeros' }
  /** In the file, from `offset` on. */
  | { readonly kind: 'stored'; readonly offset: number }
  /** All of a cluster, compressed, of which the stretch is a part. */
  | { readonly kind: 'compressed'; readonly cluster: number; readonly from: FilePlace }
  /** No reader of QEMU's format can say. */
  | { readonly kind: 'nonsense'; readonly what: string };

/** A stretch of a disk. */
export interface Piece {
  readonly length: number;
  readonly place: Place;
}

const SUBCLUSTERS = 32;
/** In an entry without subclusters, of version 3. */
const READS_ZERO = 1;

/**
 * The pieces of a disk from `offset` on, in order, neighbours that are one in the file as one.
 * @param entries - of an L2 table: all that the clusters of the stretch have
 * @param offset - on the disk
 */
export function* piecesOf(header: Qcow2Header, entries: Buffer, offset: number, length: number): Generator<Piece> {
  let held: Piece | undefined;
  for (const piece of singlePieces(header, entries, offset, length)) {
    const joined = held && join(held, piece);
    if (held !== undefined && joined === undefined) yield held;
    held = joined ?? piece;
  }
  if (held !== undefined) yield held;
}

function join(first: Piece, { length, place }: Piece): Piece | undefined {
  const { place: before } = first;
  if (before.kind === 'below' || before.kind === 'zeros') {
    return place.kind === before.kind ? { length: first.length + length, place: before } : undefined;
  }
  const follows = before.kind === 'stored' && place.kind === 'stored' && before.offset + first.length === place.offset;
  return follows ? { length: first.length + length, place: before } : undefined;
}

/** One for each cluster or subcluster. */
function* singlePieces(header: Qcow2Header, entries: Buffer, offset: number, length: number): Generator<Piece> {
  const clusterBytes = 2 ** header.clusterBits;
  const entryBytes = entryBytesOf(header);
  const first = Math.floor(offset / clusterBytes);
  for (let at = offset; at < offset + length;) {
    const cluster = Math.floor(at / clusterBytes);
    const entry = entries.subarray((cluster - first) * entryBytes, (cluster - first + 1) * entryBytes);
    const inside = at - cluster * clusterBytes;
    const { place, end } = placeIn(header, entry, cluster, inside);
    const part = Math.min(offset + length - at, end - inside);
    yield { length: part, place };
    at += part;
  }
}

/** Where the bytes of a cluster stand from `inside` on, up to `end`. */
function placeIn(
  header: Qcow2Header,
  entry: Buffer,
  cluster: number,
  inside: number,
): { readonly place: Place; readonly end: number } {
  const { clusterBits } = header;
  const end = 2 ** clusterBits;
  const halves = { high: entry.readUInt32BE(0), low: entry.readUInt32BE(4) };
  if (isCompressed(halves)) {
    return { place: { kind: 'compressed', cluster, from: compressedPlace(halves, clusterBits) }, end };
  }
  const offset = offsetIn(halves);
  if (offset % end !== 0) return { place: nonsense('a cluster at a place where none can be'), end };
  if (header.extended) {
    const subBytes = end / SUBCLUSTERS;
    const index = Math.floor(inside / subBytes);
    const place = subclusterPlace(entry, index, offset === 0 ? undefined : offset + inside);
    return { place, end: (index + 1) * subBytes };
  }
  if ((halves.low & READS_ZERO) !== 0) {
    return { place: header.version === 2 ? nonsense('a cluster of zeros, which version 2 has not') : ZEROS, end };
  }
  return { place: offset === 0 ? BELOW : { kind: 'stored', offset: offset + inside }, end };
}

/** @param offset - where in the file its bytes stand if they do */
function subclusterPlace(entry: Buffer, index: number, offset: number | undefined): Place {
  const reads = (entry.readUInt32BE(8) >>> index) & 1;
  const stands = (entry.readUInt32BE(12) >>> index) & 1;
  if (stands === 1 && (reads === 1 || offset === undefined)) return nonsense('a subcluster that makes no sense');
  if (reads === 1) return ZEROS;
  return stands === 1 && offset !== undefined ? { kind: 'stored', offset } : BELOW;
}

const ZEROS: Place = { kind: 'zeros' };
const BELOW: Place = { kind: 'below' };

function nonsense(what: string): Place {
  return { kind: 'nonsense', what };
}
