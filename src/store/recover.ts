import { ObjectType } from '../codec/formats.js';
import { decodeFrame, FrameError, readFrameHeader } from '../codec/frame.js';
import { openStored, type FrameSeal } from '../codec/frame-seal.js';
import { isUmbraError } from '../common/errors.js';
import { Catalog } from './catalog.js';
import { listOperations } from './change-history.js';
import { putEntry } from './index-entries.js';
import { objectKey, objectName, objectRange, quarantineKey, sequenceOfObjectKey } from './keys.js';
import type { KvOperation, KvReader, KvStore, KvWriter } from './kv.js';
import { deleteListing, deleteReplica, listingOf, putListing, type Listing } from './listing.js';
import { findSequences, highestIndexed, indexedDigests, indexEntries, quarantineOperations } from './object-index.js';
import { parseShadowCopyRecord, parseTombstone, type ShadowCopyRecord } from './records.js';

/** The objects of a store, and what they are sealed with, if they are. */
export interface SealedObjects {
  readonly objects: KvReader;
  readonly seal: FrameSeal | undefined;
}

/** Index entries written in one step. */
const BATCH_OPERATIONS = 4096;

/**
 * Put objects into the index that were made durable just before a crash and are not in it: the next backup then
 * finds them. They are the newest ones only, since index entries are written in the order of the objects.
 *
 * The entries are durable before anything can rely on them: LevelDB may lose an unsynced batch and keep later ones.
 */
export async function adoptUnindexed(objects: KvStore, meta: KvStore, seal?: FrameSeal): Promise<void> {
  const first = (await highestIndexed(meta)) + 1;
  let entries: KvOperation[] = [];
  const torn: KvOperation[] = [];
  for await (const [key, frame] of objects.entries({ ...objectRange, gte: objectKey(first) })) {
    const sequence = sequenceOfObjectKey(key);
    if (sequence === undefined) continue;
    try {
      const { type, digest, plainBytes } = readFrameHeader(openStored(frame, seal));
      entries.push(...putEntry({ sequence, type, digest, plainBytes, storedBytes: frame.length }));
      entries.push({ type: 'del', key: quarantineKey(type, digest) });
    } catch (cause) {
      if (!(cause instanceof FrameError)) throw cause;
      torn.push({ type: 'del', key });
    }
    if (entries.length < BATCH_OPERATIONS) continue;
    await meta.write(entries, { sync: true });
    entries = [];
  }
  if (entries.length > 0) await meta.write(entries, { sync: true });
  if (torn.length > 0) await objects.write(torn, { sync: true });
}

/**
 * Quarantine the objects that the index has above the newest one there is. LevelDB loses the end of a damaged log without a
 * word; who stores the same content before anyone reads it would otherwise be told that the store has it.
 * @param newest the highest sequence number of an object, or -1
 */
export async function quarantineLost(meta: KvWriter, newest: number, timeMs: number): Promise<void> {
  let operations: KvOperation[] = [];
  for await (const { sequence, entry } of indexEntries(meta, newest + 1)) {
    if (entry === undefined) continue;
    const { type, digest } = entry;
    const [current] = await findSequences(meta, type, [digest]);
    // A crash in the middle of deleting leaves entries of objects that are gone, and that nothing points at.
    if (current === sequence)
      operations.push(...quarantineOperations({ type, digest, reason: 'its record is missing', timeMs }));
    if (operations.length < BATCH_OPERATIONS) continue;
    await meta.write(operations, { sync: true });
    operations = [];
  }
  if (operations.length > 0) await meta.write(operations, { sync: true });
}

/** The highest sequence number of an object, or -1. */
export async function highestObject(objects: KvReader): Promise<number> {
  for await (const key of objects.keys({ ...objectRange, reverse: true })) {
    const sequence = sequenceOfObjectKey(key);
    if (sequence !== undefined) return sequence;
  }
  return -1;
}

/**
 * The catalog, brought in line with the objects, as rebuilding would do it: a durable record without a later tombstone
 * is a shadow copy, whether a crash came before its listing or its listing was lost; one with a later tombstone is
 * deleted, whether a crash came in the middle of forgetting it or not. A replica holds if nothing of its machine is newer.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function recoverCatalog(objects: SealedObjects, meta: KvWriter): Promise<Catalog> {
  const catalog = await Catalog.load(meta);
  const deleted = await readTombstones(objects, meta);
  const isDeleted = ({ record, order }: Listing): boolean =>
    (deleted.get(objectName(ObjectType.record, record)) ?? -1) >= order;
  const listed = new Set<string>();
  const all: Listing[] = [];
  for (const listing of [...catalog.all(), ...catalog.replicas()]) {
    listed.add(objectName(ObjectType.record, listing.record));
    all.push(listing);
    if (isDeleted(listing)) await unlist(meta, catalog, listing);
  }
  for await (const digest of indexedDigests(meta, ObjectType.record)) {
    if (listed.has(objectName(ObjectType.record, digest))) continue;
    const found = await findRecord(objects, meta, digest);
    if (found === undefined) continue;
    const { record, sequence } = found;
    const listing = listingOf(record, Uint8Array.from(digest), sequence);
    all.push(listing);
    if (record.isReplica === true || isDeleted(listing)) continue;
    if (catalog.shadowCopies(record.machine).some((other) => other.name === record.name)) continue;
    await meta.write(listOperations(listing, record), { sync: true });
    catalog.insert(listing);
  }
  const holding = holdingReplicas(all).filter((replica) => !isDeleted(replica));
  await recoverReplicas(objects, meta, catalog, holding);
  return catalog;
}

async function unlist(meta: KvWriter, catalog: Catalog, { machine, name, isReplica }: Listing): Promise<void> {
  await meta.write([isReplica === true ? deleteReplica(machine) : deleteListing(machine, name)], { sync: true });
  if (isReplica === true) catalog.removeReplica(machine);
  else catalog.remove(machine, name);
}

/** Have each machine have the replica that holds, if one does. */
async function recoverReplicas(
  objects: SealedObjects,
  meta: KvWriter,
  catalog: Catalog,
  replicas: readonly Listing[],
): Promise<void> {
  const holding = new Map(replicas.map((listing) => [listing.machine, listing]));
  for (const replica of catalog.replicas()) {
    if (holding.get(replica.machine) === replica) holding.delete(replica.machine);
    else await unlist(meta, catalog, replica);
  }
  for (const replica of holding.values()) {
    const found = await findRecord(objects, meta, replica.record);
    if (found === undefined) continue;
    await meta.write([putListing(replica, found.record)], { sync: true });
    catalog.insert(replica);
  }
}

/**
 * The replicas that hold, unless they were deleted: what came last of a machine, among all that ever came. So a replica that was replaced
 * does not come back when that is deleted which replaced it.
 */
export function holdingReplicas(all: Iterable<Listing>): Listing[] {
  const last = new Map<string, Listing>();
  for (const listing of all) {
    const other = last.get(listing.machine);
    if (other === undefined || other.order < listing.order) last.set(listing.machine, listing);
  }
  return [...last.values()].filter(({ isReplica }) => isReplica === true);
}

/** By name of the record, the sequence number of its tombstone. A tombstone that can't be read says nothing. */
async function readTombstones(objects: SealedObjects, meta: KvReader): Promise<Map<string, number>> {
  const deleted = new Map<string, number>();
  for await (const digest of indexedDigests(meta, ObjectType.tombstone)) {
    const found = await readObject(objects, meta, ObjectType.tombstone, digest);
    const tombstone = unlessDamaged(() => found && parseTombstone(found.plain));
    if (found === undefined || tombstone === undefined) continue;
    const name = objectName(ObjectType.record, tombstone.record);
    deleted.set(name, Math.max(deleted.get(name) ?? -1, found.sequence));
  }
  return deleted;
}

async function findRecord(
  objects: SealedObjects,
  meta: KvReader,
  digest: Uint8Array,
): Promise<{ readonly record: ShadowCopyRecord; readonly sequence: number } | undefined> {
  const found = await readObject(objects, meta, ObjectType.record, digest);
  const record = unlessDamaged(() => found && parseShadowCopyRecord(found.plain));
  return found === undefined || record === undefined ? undefined : { record, sequence: found.sequence };
}

/** An object, if it can be read; what can't is for verification to report. */
export async function readObject(
  { objects, seal }: SealedObjects,
  meta: KvReader,
  type: ObjectType,
  digest: Uint8Array,
): Promise<{ readonly plain: Buffer; readonly sequence: number } | undefined> {
  const [sequence] = await findSequences(meta, type, [digest]);
  if (sequence === undefined) return undefined;
  try {
    const frame = await objects.get(objectKey(sequence));
    return frame === undefined
      ? undefined
      : { plain: decodeFrame(openStored(frame, seal), { type, digest }), sequence };
  } catch (error) {
    if (error instanceof FrameError || isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}

function unlessDamaged<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}
