import { isUmbraError } from '../common/errors.js';
import { objectKey } from './keys.js';
import type { KvStore } from './kv.js';

/** Deleted objects with less than so many bytes of live ones between them are compacted as one range. */
const RANGE_GAP_BYTES = 64 * 1024 * 1024;
/** With less than so many bytes between them they are one run: of tables with nothing else nothing is written anew. */
const RUN_GAP_BYTES = 1024 * 1024;
/** So many runs of a range are known: there is room for more when those are compacted. */
const MOST_RUNS = 256;

interface Run {
  readonly first: number;
  last: number;
  deletedBytes: number;
}

/** Objects that were deleted, and what lies between them. */
export interface CompactRange extends Run {
  readonly runs: Run[];
}

/** Finds out which ranges of objects are to be compacted, while they are deleted in the order of their numbers. */
export class CompactRanges {
  readonly all: CompactRange[] = [];
  #gapBytes = Infinity;

  noteDeleted(sequence: number, bytes: number): void {
    let range = this.all.at(-1);
    if (range === undefined || this.#gapBytes > RANGE_GAP_BYTES) {
      range = { first: sequence, last: sequence, deletedBytes: 0, runs: [] };
      this.all.push(range);
    }
    let run = range.runs.at(-1);
    if (run === undefined || (this.#gapBytes > RUN_GAP_BYTES && range.runs.length < MOST_RUNS)) {
      run = { first: sequence, last: sequence, deletedBytes: 0 };
      range.runs.push(run);
    }
    for (const noted of [range, run]) {
      noted.last = sequence;
      noted.deletedBytes += bytes;
    }
    this.#gapBytes = 0;
  }

  noteLive(bytes: number): void {
    this.#gapBytes += bytes;
  }
}

/**
 * Compact a range, so that what was deleted in it takes no room any more. LevelDB writes anew what stays of the tables before it deletes them: where
 * there is no room for that, the longest runs of deleted objects come first, of which little stays, and what they took is room for the others.
 * @throws {UmbraError} STORE_FULL, STORE_FAILED
 */
export async function compactRange(objects: Pick<KvStore, 'compact'>, range: CompactRange): Promise<void> {
  const compact = (run: Run): Promise<void> => objects.compact(objectKey(run.first), objectKey(run.last));
  try {
    await compact(range);
  } catch (error) {
    if (!isUmbraError(error, 'STORE_FULL') || range.runs.length < 2) throw error;
    for (const run of range.runs.toSorted((a, b) => b.deletedBytes - a.deletedBytes))
      await compact(run).catch(unlessFull);
    await compact(range);
  }
}

function unlessFull(error: unknown): void {
  if (!isUmbraError(error, 'STORE_FULL')) throw error;
}
