import { ObjectType } from '../codec/formats.js';
import { isUmbraError } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import type { Listing } from './catalog.js';
import type { IndexEntry } from './index-entries.js';
import { Marker } from './mark.js';
import { findSequences, indexEntries } from './object-index.js';
import type { ObjectStore } from './object-store.js';
import { parseTombstone } from './records.js';
import { SequenceSet } from './sequence-set.js';
import { Sweep } from './sweep.js';

export interface CollectResult {
  readonly objects: number;
  readonly deletedObjects: number;
  readonly deletedBytes: number;
  readonly freedBytes: number;
}

export interface CollectOptions {
  /** Listed and leased shadow copies, of one instant; what has to be noted of them before anything is deleted is durable. */
  readonly roots: () => Promise<readonly Listing[]>;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/**
 * Mark and sweep. Only objects older than its begin are candidates; what is referred to from a listed or leased
 * shadow copy, or pinned by a session that ran at any time during it, stays.
 *
 * @throws {UmbraError} STORE_DAMAGED when it can't be told what is referred to; then nothing was deleted
 * @throws what `signal` was aborted with; everything deleted until then was garbage
 */
export async function collect(store: ObjectStore, options: CollectOptions): Promise<CollectResult> {
  const { log, meta, objects, reader, sessions } = store;
  const { signal, progress } = options;
  const before = await objects.diskBytes();
  const quarantined = new Set(store.quarantined);
  const watermark = log.nextSequence;
  await log.barrier(log.failures);
  const marked = new SequenceSet();
  // Of sessions that end meanwhile. A mark says that all below is marked too, which of a pinned node or record is not so.
  const pinned = new SequenceSet();
  let condemning = false;
  store.setGuard({
    isCondemned: (sequence) => condemning && sequence < watermark && !marked.has(sequence),
    keep: (pins) => {
      (condemning ? marked : pinned).addAll(pins);
    },
  });
  try {
    const marker = new Marker({ meta, reader, marked, signal });
    await marker.mark(await options.roots(), ({ machine, name }) => {
      progress({ what: `marking ${machine}@${name}`, doneBytes: 0 });
    });
    const records = await markRest(store, marked);
    marked.addAll(pinned);
    for (const session of sessions) marked.addAll(session.pins);
    condemning = true;
    const sweep = new Sweep(store, { watermark, marked, missing: marker.missing, signal, progress });
    await sweep.deleteRecords(records);
    const swept = await sweep.run();
    await store.settleQuarantine(quarantined, marker.missing);
    return { ...swept, freedBytes: Math.max(0, before - (await objects.diskBytes())) };
  } finally {
    store.setGuard(undefined);
  }
}

/**
 * The newest settings copy stays, and each tombstone whose record is still there.
 * @returns all records of shadow copies
 */
async function markRest(store: ObjectStore, marked: SequenceSet): Promise<IndexEntry[]> {
  const records: IndexEntry[] = [];
  let settings: number | undefined;
  for await (const { entry } of indexEntries(store.meta)) {
    if (entry?.type === ObjectType.record) records.push({ ...entry, digest: Uint8Array.from(entry.digest) });
    if (entry?.type !== ObjectType.settings && entry?.type !== ObjectType.tombstone) continue;
    // A crash in the middle of deleting leaves entries of objects that are gone.
    const [current] = await findSequences(store.meta, entry.type, [entry.digest]);
    if (current !== entry.sequence) continue;
    if (entry.type === ObjectType.settings) settings = entry.sequence;
    else if (await isNeeded(store, entry)) marked.add(entry.sequence);
  }
  if (settings !== undefined) marked.add(settings);
  return records;
}

async function isNeeded(store: ObjectStore, tombstone: IndexEntry): Promise<boolean> {
  try {
    const { record } = parseTombstone(await store.reader.read(ObjectType.tombstone, tombstone.digest));
    const [sequence] = await findSequences(store.meta, ObjectType.record, [record]);
    return sequence !== undefined;
  } catch (error) {
    // Nobody can read it, so it keeps nothing deleted.
    if (isUmbraError(error, 'STORE_DAMAGED')) return false;
    throw error;
  }
}
