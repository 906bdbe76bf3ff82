import { ObjectType } from '../codec/formats.js';
import type { Progress } from '../protocol/api.js';
import type { Listing } from './catalog.js';
import type { IndexEntry } from './index-entries.js';
import { digestKey, objectKey, sequenceKey } from './keys.js';
import type { KvOperation } from './kv.js';
import { Marker } from './mark.js';
import { findSequences, indexEntries } from './object-index.js';
import type { ObjectStore } from './object-store.js';
import { parseTombstone } from './records.js';
import { SequenceSet } from './sequence-set.js';

/** Objects deleted in one step. */
const SWEEP_BATCH = 4096;
/** Deleted objects with less than so many bytes of live ones between them are compacted as one range. */
const COMPACT_GAP_BYTES = 64 * 1024 * 1024;

export interface CollectResult {
  readonly objects: number;
  readonly deletedObjects: number;
  readonly deletedBytes: number;
  readonly freedBytes: number;
}

export interface CollectOptions {
  /** Listed and leased shadow copies. */
  readonly roots: () => readonly Listing[];
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

interface SweepRange {
  readonly first: number;
  last: number;
  /** Bytes of live objects since `last`. */
  gapBytes: number;
}

/**
 * Mark and sweep. Only objects older than its begin are candidates; what is referred to from a listed or leased
 * shadow copy, or pinned by a session that ran at any time during it, stays.
 *
 * @throws what `signal` was aborted with; everything deleted until then was garbage
 */
export async function collect(store: ObjectStore, options: CollectOptions): Promise<CollectResult> {
  const { log, meta, objects, reader, sessions } = store;
  const before = await objects.diskBytes();
  const watermark = log.nextSequence;
  await log.barrier(log.failures);
  const marked = new SequenceSet();
  let condemning = false;
  store.setGuard({
    isCondemned: (sequence) => condemning && sequence < watermark && !marked.has(sequence),
    keep: (pins) => {
      marked.addAll(pins);
    },
  });
  try {
    const marker = new Marker({ meta, reader, marked, signal: options.signal });
    for (const listing of options.roots()) {
      options.progress({ what: `marking ${listing.machine}@${listing.name}`, doneBytes: 0 });
      await marker.mark(listing);
    }
    await markRest(store, marked);
    for (const session of sessions) marked.addAll(session.pins);
    condemning = true;
    const swept = await sweep(store, { watermark, marked, ...options });
    const freedBytes = Math.max(0, before - (await objects.diskBytes()));
    return { ...swept, freedBytes };
  } finally {
    store.setGuard(undefined);
  }
}

/** The newest settings copy stays, and each tombstone whose record is still there. */
async function markRest(store: ObjectStore, marked: SequenceSet): Promise<void> {
  let settings: number | undefined;
  for await (const { sequence, entry } of indexEntries(store.meta)) {
    if (entry?.type !== ObjectType.settings && entry?.type !== ObjectType.tombstone) continue;
    // A crash in the middle of deleting leaves entries of objects that are gone.
    if (!(await isIndexed(store, entry))) continue;
    if (entry.type === ObjectType.settings) settings = sequence;
    else if (await isNeeded(store, entry)) marked.add(sequence);
  }
  if (settings !== undefined) marked.add(settings);
}

async function isIndexed(store: ObjectStore, entry: IndexEntry): Promise<boolean> {
  const [sequence] = await findSequences(store.meta, entry.type, [entry.digest]);
  return sequence === entry.sequence;
}

async function isNeeded(store: ObjectStore, tombstone: IndexEntry): Promise<boolean> {
  const { record } = parseTombstone(await store.reader.read(ObjectType.tombstone, tombstone.digest));
  const [sequence] = await findSequences(store.meta, ObjectType.record, [record]);
  return sequence !== undefined;
}

async function sweep(
  store: ObjectStore,
  options: CollectOptions & { readonly watermark: number; readonly marked: SequenceSet },
): Promise<Omit<CollectResult, 'freedBytes'>> {
  let total = 0;
  let deletedObjects = 0;
  let deletedBytes = 0;
  const ranges: SweepRange[] = [];
  let batch: IndexEntry[] = [];
  const flush = async (): Promise<void> => {
    options.signal.throwIfAborted();
    await deleteObjects(store, batch);
    deletedObjects += batch.length;
    batch = [];
    options.progress({ what: 'deleting', doneBytes: deletedBytes });
  };
  for await (const { sequence, entry } of indexEntries(store.meta)) {
    if (sequence >= options.watermark) break;
    total++;
    // An object whose entry is damaged can't be taken out of the index by its digest, so it stays.
    if (entry === undefined || options.marked.has(sequence)) {
      noteLive(ranges, entry?.storedBytes ?? 0);
      continue;
    }
    deletedBytes += entry.storedBytes;
    noteDeleted(ranges, sequence);
    batch.push(entry);
    if (batch.length >= SWEEP_BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  await compact(store, ranges, options);
  return { objects: total, deletedObjects, deletedBytes };
}

/**
 * Delete objects: their digests go first, durably, then the objects, and their sequence entries last, so that a
 * crash leaves nothing that points at a deleted object, and the next collection finds what is left.
 */
async function deleteObjects(store: ObjectStore, condemned: readonly IndexEntry[]): Promise<void> {
  const { meta, objects, log } = store;
  await log.exclusively(async () => {
    const forward: KvOperation[] = [];
    for (const entry of condemned) {
      if (await isIndexed(store, entry)) forward.push({ type: 'del', key: digestKey(entry.type, entry.digest) });
    }
    await meta.write(forward, { sync: true });
  });
  await objects.write(
    condemned.map(({ sequence }) => ({ type: 'del', key: objectKey(sequence) })),
    { sync: true },
  );
  await meta.write(
    condemned.map(({ sequence }) => ({ type: 'del', key: sequenceKey(sequence) })),
    { sync: false },
  );
}

function noteDeleted(ranges: SweepRange[], sequence: number): void {
  const range = ranges.at(-1);
  if (range === undefined || range.gapBytes > COMPACT_GAP_BYTES) {
    ranges.push({ first: sequence, last: sequence, gapBytes: 0 });
  } else {
    range.last = sequence;
    range.gapBytes = 0;
  }
}

function noteLive(ranges: SweepRange[], bytes: number): void {
  const range = ranges.at(-1);
  if (range !== undefined) range.gapBytes += bytes;
}

async function compact(store: ObjectStore, ranges: readonly SweepRange[], options: CollectOptions): Promise<void> {
  for (const [index, { first, last }] of ranges.entries()) {
    options.signal.throwIfAborted();
    options.progress({ what: `compacting ${index + 1} of ${ranges.length}`, doneBytes: 0 });
    await store.objects.compact(objectKey(first), objectKey(last));
  }
}
