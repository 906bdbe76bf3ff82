import type { DirectoryItem, FileId } from '../filesystems/filesystem.js';
import { MAX_ENTRIES } from '../node.js';
import { TreeError } from '../tree-error.js';

/** Of a shorter list all inodes stand near to each other anyway. */
const SORTED_FROM = 1000;
const BATCH = 1024;
/** After so many batches others have a turn. */
const BATCHES_A_TURN = 16;

export interface InodeOrderOptions {
  /** Of the directory, for errors. */
  readonly path: string;
  /** See Filesystem.place. */
  readonly place: (id: FileId) => number;
}

/**
 * The entries of a directory in the order in which their inodes stand, if they are many. Programs look at files in the order of the
 * list (`ls -l`, `find`, `tar`). File systems that find names by a hash list them in its order, which is none for the inodes: each
 * look would read another piece of their table. What was listed before an error comes first, then the error.
 * @throws {TreeError} EFBIG
 */
export async function* inInodeOrder(
  batches: AsyncIterable<readonly DirectoryItem[]>,
  { path, place }: InodeOrderOptions,
): AsyncGenerator<readonly DirectoryItem[]> {
  const items: (DirectoryItem | undefined)[] = [];
  let failure: { readonly error: unknown } | undefined;
  try {
    for await (const batch of batches) {
      for (const item of batch) items.push(item);
      if (items.length > MAX_ENTRIES) break;
    }
  } catch (error) {
    failure = { error };
  }
  if (items.length > MAX_ENTRIES) throw new TreeError('EFBIG', path);
  yield* inBatches(items, items.length < SORTED_FROM ? items.keys() : orderOf(items, place));
  if (failure !== undefined) throw failure.error;
}

const TWO_32 = 2 ** 32;
const INDEX_VALUES = 2 ** 21;

/** The indices of `items` in the order of their places. */
function orderOf(items: readonly (DirectoryItem | undefined)[], place: (id: FileId) => number): Iterable<number> {
  const places = new Float64Array(items.length);
  let isInOrder = true;
  let areSmall = true;
  let last = -Infinity;
  for (const [index, item] of items.entries()) {
    const at = item === undefined ? last : place(item.id);
    isInOrder &&= at >= last;
    areSmall &&= at < TWO_32;
    last = at;
    places[index] = at;
  }
  if (isInOrder) return items.keys();
  return areSmall ? packedOrder(places) : sortedOrder(places);
}

function sortedOrder(places: Float64Array): Iterable<number> {
  return Uint32Array.from(places.keys()).sort((one, other) => (places[one] ?? 0) - (places[other] ?? 0));
}

/** A place and its index fit into the 53 bits that a double is exact in, and numbers alone are sorted five times as fast. */
function* packedOrder(places: Float64Array): Generator<number> {
  for (const [index, place] of places.entries()) places[index] = place * INDEX_VALUES + index;
  for (const packed of places.sort()) yield packed % INDEX_VALUES;
}

/** Hands out the items, which are not kept any longer: there may be millions. */
async function* inBatches(
  items: (DirectoryItem | undefined)[],
  order: Iterable<number>,
): AsyncGenerator<readonly DirectoryItem[]> {
  let batch: DirectoryItem[] = [];
  let batches = 0;
  for (const index of order) {
    const item = items[index];
    if (item === undefined) continue;
    items[index] = undefined;
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
    if (++batches % BATCHES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  if (batch.length > 0) yield batch;
}
