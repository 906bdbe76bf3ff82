import { ObjectType } from '../codec/formats.js';
import { EMPTY_DIGEST } from '../codec/digest.js';
import { claimedName, decodeBody, FrameError, readFrameHeader } from '../codec/frame.js';
import { openStored, type FrameSeal } from '../codec/frame-seal.js';
import { isUmbraError } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import { listOperations } from './change-history.js';
import { putEntry, type IndexEntry } from './index-entries.js';
import { objectName, sequenceOfObjectKey } from './keys.js';
import { listingOf, type Listing } from './listing.js';
import { quarantineOperations } from './object-index.js';
import type { KvOperation, KvReader, KvStore } from './kv.js';
import { holdingReplicas } from './recover.js';
import { parseShadowCopyRecord, parseTombstone, type ShadowCopyRecord } from './records.js';

const BATCH_OPERATIONS = 8192;

export interface RebuildCounts {
  readonly objects: number;
  readonly damagedObjects: number;
  /** Blocks of objects that are gone, with nobody knows how many objects. */
  readonly lostBlocks: number;
  readonly shadowCopies: number;
  readonly stayedDeleted: number;
}

export interface RebuildOptions {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** Blocks of objects that are known to be lost; 0 without it. */
  readonly lostBlocks?: number;
  /** Of an encrypted store; `meta` is {@link sealMeta}'s then. */
  readonly seal?: FrameSeal | undefined;
}

/** The operations that give a damaged object to the next collection, and have backups look for what is missing. */
function damagedEntries(sequence: number, frame: Uint8Array, isSealed: boolean): KvOperation[] {
  const nameless = { sequence, type: ObjectType.chunk, digest: EMPTY_DIGEST, plainBytes: 0, storedBytes: frame.length };
  // What a sealed object is, only its content says: that something is missing is all that is known.
  const { type, digest } = isSealed ? nameless : claimedName(frame);
  const quarantine = quarantineOperations({ type, digest, reason: 'its record is damaged', timeMs: 0 });
  // Without the entry of its digest, and without deleting one: another copy of the object may be whole.
  return [...putEntry(nameless).slice(1), ...quarantine.filter((operation) => operation.type === 'put')];
}

/**
 * Make the index and the catalog again from the objects alone, into an empty `meta`. Frames are checked, not decoded;
 * "umbra verify" does that. Shadow copies with a tombstone stay deleted.
 */
export async function rebuildMeta(objects: KvReader, meta: KvStore, options: RebuildOptions): Promise<RebuildCounts> {
  const { lostBlocks = 0 } = options;
  const rebuild = new Rebuild(meta, options.seal);
  if (lostBlocks > 0) rebuild.noteLoss();
  let doneBytes = 0;
  for await (const [key, frame] of objects.entries()) {
    options.signal.throwIfAborted();
    const sequence = sequenceOfObjectKey(key);
    if (sequence === undefined) rebuild.noteDamage();
    else await rebuild.add(sequence, frame);
    doneBytes += frame.length;
    options.progress({ what: 'reading objects', doneBytes });
  }
  return { ...(await rebuild.finish()), lostBlocks };
}

interface Noted {
  readonly listing: Listing;
  readonly record: ShadowCopyRecord;
}

class Rebuild {
  readonly #meta: KvStore;
  readonly #seal: FrameSeal | undefined;
  /** By name of a record; replicas among them. */
  readonly #listings = new Map<string, Noted>();
  /** By name of a record, the sequence number of its last tombstone. */
  readonly #deleted = new Map<string, number>();
  #operations: KvOperation[] = [];
  #objects = 0;
  #damagedObjects = 0;

  constructor(meta: KvStore, seal: FrameSeal | undefined) {
    this.#meta = meta;
    this.#seal = seal;
  }

  async add(sequence: number, stored: Uint8Array): Promise<void> {
    try {
      const frame = openStored(stored, this.#seal);
      const header = readFrameHeader(frame);
      const { type, digest, plainBytes } = header;
      if (type === ObjectType.record || type === ObjectType.tombstone) {
        this.#note(
          { sequence, type, digest: Uint8Array.from(digest), plainBytes, storedBytes: stored.length },
          decodeBody(frame, header),
        );
      }
      this.#operations.push(...putEntry({ sequence, type, digest, plainBytes, storedBytes: stored.length }));
      this.#objects++;
    } catch (error) {
      if (!(error instanceof FrameError) && !isUmbraError(error, 'STORE_DAMAGED')) throw error;
      this.noteDamage();
      this.#operations.push(...damagedEntries(sequence, stored, this.#seal !== undefined));
    }
    if (this.#operations.length >= BATCH_OPERATIONS) await this.#flush();
  }

  /** Something is there that can't be read. */
  noteDamage(): void {
    this.#damagedObjects++;
  }

  /** Something is gone without its name: backups look for what is missing until a collection has found out what it is. */
  noteLoss(): void {
    const nameless = {
      type: ObjectType.chunk,
      digest: EMPTY_DIGEST,
      reason: 'a part of the objects is lost',
      timeMs: 0,
    };
    this.#operations.push(...quarantineOperations(nameless));
  }

  async finish(): Promise<Omit<RebuildCounts, 'lostBlocks'>> {
    const alive = [...this.#listings].filter(
      ([record, { listing }]) => listing.order > (this.#deleted.get(record) ?? -1),
    );
    const replicas = holdingReplicas([...this.#listings.values()].map(({ listing }) => listing));
    const listed = alive.filter(([, { listing }]) => listing.isReplica !== true || replicas.includes(listing));
    this.#operations.push(...listed.flatMap(([, { listing, record }]) => listOperations(listing, record)));
    await this.#flush();
    const isShadowCopy = ([, { listing }]: [string, Noted]): boolean => listing.isReplica !== true;
    const shadowCopies = alive.filter(isShadowCopy).length;
    return {
      objects: this.#objects,
      damagedObjects: this.#damagedObjects,
      shadowCopies,
      stayedDeleted: [...this.#listings].filter(isShadowCopy).length - shadowCopies,
    };
  }

  #note(entry: IndexEntry, plain: Buffer): void {
    if (entry.type === ObjectType.tombstone) {
      this.#deleted.set(objectName(ObjectType.record, parseTombstone(plain).record), entry.sequence);
      return;
    }
    const record = parseShadowCopyRecord(plain);
    const listing = listingOf(record, entry.digest, entry.sequence);
    this.#listings.set(objectName(ObjectType.record, entry.digest), { listing, record });
  }

  async #flush(): Promise<void> {
    const operations = this.#operations;
    this.#operations = [];
    await this.#meta.write(operations, { sync: true });
  }
}
