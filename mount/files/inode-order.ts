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
  const items: DirectoryItem[] = [];
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
  yield* inBatches(items.length < SORTED_FROM ? items : sorted(items, place));
  if (failure !== undefined) throw failure.error;
}

function sorted(items: readonly DirectoryItem[], place: (id: FileId) => number): readonly DirectoryItem[] {
  const places = Float64Array.from(items, ({ id }) => place(id));
  if (places.every((value, index) => index === 0 || (places[index - 1] ?? value) <= value)) return items;
  return Array.from(orderOf(places), (index) => items[index]).filter((item) => item !== undefined);
}

const TWO_32 = 2 ** 32;
const INDEX_VALUES = 2 ** 21;

/** The indices of `places` in its order. */
function orderOf(places: Float64Array): Iterable<number> {
  if (!places.every((value) => value < TWO_32)) {
    return Uint32Array.from(places.keys()).sort((one, other) => (places[one] ?? 0) - (places[other] ?? 0));
  }
  // Both numbers fit into the 53 bits that a double is exact in, and numbers alone are sorted five times as fast.
  const packed = places.map((value, index) => value * INDEX_VALUES + index).sort();
  return packed.map((value) => value % INDEX_VALUES);
}

async function* inBatches(items: readonly DirectoryItem[]): AsyncGenerator<readonly DirectoryItem[]> {
  for (let at = 0, batch = 1; at < items.length; at += BATCH, batch++) {
    yield items.slice(at, at + BATCH);
    if (batch % BATCHES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}
