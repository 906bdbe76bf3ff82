import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../codec/formats.js';
import { isEmptyDigest, toHex } from '../codec/digest.js';
import { isUmbraError, messageOf } from '../common/errors.js';
import type { ByteRange, DamagedRange, Progress, VerifyResult } from '../protocol/api.js';
import { decodeInner, decodeLeaf, regionCount, regionsBelow, treeHeight } from '../tree/node.js';
import type { WorkerPool } from '../workers/pool.js';
import { leaseListed, leaseUnlessDeleted } from './leases.js';
import { damagedListings, type Listing } from './listing.js';
import { findSequences, indexEntries } from './object-index.js';
import type { IndexEntry } from './index-entries.js';
import { kindOf } from './object-reader.js';
import { parseShadowCopyRecord, type VolumeRecord } from './records.js';
import { SequenceSet } from './sequence-set.js';
import type { Store } from './store.js';
import { adviceFor } from './verify-advice.js';
import { ObjectChecker } from './verify-objects.js';

/** Objects checked in one step. */
const BATCH_OBJECTS = 128;
const BATCH_BYTES = 2 * 1024 * 1024;

export interface VerifyOptions {
  readonly store: Store;
  readonly pool: WorkerPool;
  /**
   * Which shadow copies, of those that are still listed when their turn comes. With `everything`, all objects of the store are read
   * too, referred to or not.
   */
  readonly listings: readonly Listing[];
  readonly everything: boolean;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

interface Place {
  readonly listing: Listing;
  readonly volume: VolumeRecord;
}

/** A node as the index had it when the one above was read. */
interface FoundNode {
  readonly digest: Uint8Array;
  /** Undefined if it was not there. */
  readonly sequence: number | undefined;
}

/** One verification: every object read, decoded and its digest compared, each once. */
export class Verification {
  readonly #options: VerifyOptions;
  readonly #checker: ObjectChecker;
  /** Nodes below which nothing is damaged. */
  readonly #whole = new SequenceSet();
  readonly #ranges: DamagedRange[] = [];

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#checker = new ObjectChecker(options.store, options.pool);
  }

  /**
   * @throws {UmbraError} NOT_FOUND if the only one of `listings` was deleted before it was read
   * @throws what `signal` was aborted with
   */
  async run(): Promise<Omit<VerifyResult, 'seconds'>> {
    const { findTableDamage } = await import('./verify-tables.js');
    for (const { kind, object, reason } of await findTableDamage(this.#options)) {
      this.#checker.note(kind, object, reason);
    }
    // LevelDB could end the process over what is damaged, and nothing that it says of the rest would be sure.
    if (this.#checker.damaged.length === 0) await this.#checkContents();
    const { objects, bytes, damaged } = this.#checker;
    const advice = adviceFor(damaged, this.#ranges);
    return {
      checkedObjects: objects,
      checkedBytes: bytes,
      damagedObjects: damaged,
      damaged: this.#ranges,
      ...(advice === undefined ? {} : { advice }),
    };
  }

  async #checkContents(): Promise<void> {
    const { everything, listings, store } = this.#options;
    if (everything) {
      await this.#unlessUnreadable(async () => {
        for (const name of await damagedListings(store.objectStore.meta)) {
          this.#checker.note('listing', name, 'its entry in the catalog is damaged');
        }
      });
      await this.#unlessUnreadable(() => this.#checkAllObjects());
    }
    for (const listing of listings) await this.#checkShadowCopy(listing);
  }

  /** Where a block of `meta` can't be read, walking its entries ends there; what shadow copies refer to is checked all the same. */
  async #unlessUnreadable(walk: () => Promise<void>): Promise<void> {
    try {
      await walk();
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      this.#checker.note('index', 'unknown', messageOf(error));
    }
  }

  /** All objects in ingest order: sequential reading, whatever refers to them. */
  async #checkAllObjects(): Promise<void> {
    let batch: IndexEntry[] = [];
    let bytes = 0;
    let running: Promise<void> = Promise.resolve();
    for await (const { sequence, entry } of indexEntries(this.#options.store.objectStore.meta)) {
      if (entry === undefined) {
        this.#checker.note('index', `${sequence ?? 'unknown'}`, 'its index entry is damaged');
        continue;
      }
      batch.push(entry);
      bytes += entry.storedBytes;
      if (batch.length < BATCH_OBJECTS && bytes < BATCH_BYTES) continue;
      const full = batch;
      await running;
      running = this.#checkBatch(full);
      // Awaited one batch later; whoever leaves the loop before that does so with an error of its own.
      running.catch(() => undefined);
      batch = [];
      bytes = 0;
    }
    await running;
    await this.#checkBatch(batch);
  }

  async #checkBatch(entries: readonly IndexEntry[]): Promise<void> {
    this.#options.signal.throwIfAborted();
    for (const type of Object.values(ObjectType)) {
      const ofType = entries.filter((entry) => entry.type === type);
      if (ofType.length > 0) await this.#checker.checkEntries(type, ofType);
    }
    this.#options.progress({ what: 'reading objects', doneBytes: this.#checker.bytes });
  }

  async #checkShadowCopy(listing: Listing): Promise<void> {
    const { listings, store, progress } = this.#options;
    // What was deleted before its turn came may be collected: it has nothing that could be damaged.
    const giveBack = listings.length === 1 ? leaseListed(store, listing) : leaseUnlessDeleted(store, listing);
    if (giveBack === undefined) return;
    try {
      progress({ what: `walking ${listing.machine}@${listing.name}`, doneBytes: this.#checker.bytes });
      const { volumes } = parseShadowCopyRecord(await this.#checker.read(ObjectType.record, listing.record));
      for (const volume of volumes) await this.#checkVolume(listing, volume);
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      this.#checker.note('record', toHex(listing.record), messageOf(error));
      this.#ranges.push({
        ...base(listing),
        volume: '',
        offset: 0,
        length: 0,
        object: toHex(listing.record),
        kind: 'node',
      });
    } finally {
      giveBack();
    }
  }

  async #checkVolume(listing: Listing, volume: VolumeRecord): Promise<void> {
    if (isEmptyDigest(volume.root)) return;
    const level = treeHeight(regionCount(volume.sizeBytes));
    const [root] = await this.#look(level, [volume.root]);
    if (root !== undefined) await this.#checkNode({ listing, volume }, root, level, 0);
  }

  /** Look up nodes of one level, all at once: most of a shadow copy's nodes are those of another, which are known to be whole. */
  async #look(level: number, digests: readonly Uint8Array[]): Promise<FoundNode[]> {
    const sequences = await findSequences(this.#options.store.objectStore.meta, typeOf(level), digests);
    return digests.map((digest, index) => ({ digest, sequence: sequences[index] }));
  }

  /**
   * Check what lies below a node. A subtree found whole is not walked again, in whichever shadow copy it turns up.
   * @returns true if it is whole
   */
  async #checkNode(place: Place, found: FoundNode, level: number, firstRegion: number): Promise<boolean> {
    this.#options.signal.throwIfAborted();
    const { digest, sequence } = found;
    const type = typeOf(level);
    try {
      if (sequence !== undefined && this.#whole.has(sequence)) return true;
      const node = await this.#checker.read(type, digest);
      const whole =
        level === 0
          ? await this.#checkLeaf(place, node, firstRegion)
          : await this.#checkInner(place, node, level, firstRegion);
      if (whole && sequence !== undefined) this.#whole.add(sequence);
      return whole;
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      this.#checker.note(kindOf(type), toHex(digest), messageOf(error));
      this.#addRange(
        place,
        { offset: firstRegion * REGION_BYTES, length: regionsBelow(level) * REGION_BYTES },
        digest,
        'node',
      );
      return false;
    }
  }

  async #checkInner(place: Place, node: Buffer, level: number, firstRegion: number): Promise<boolean> {
    let whole = true;
    const children = [...decodeInner(node, level).entries()].flatMap(([index, digest]) =>
      digest === undefined ? [] : [{ index, digest }],
    );
    const found = await this.#look(
      level - 1,
      children.map(({ digest }) => digest),
    );
    for (const [at, { index }] of children.entries()) {
      const child = found[at];
      if (child === undefined) continue;
      const below = await this.#checkNode(place, child, level - 1, firstRegion + index * regionsBelow(level - 1));
      whole = whole && below;
    }
    return whole;
  }

  async #checkLeaf(place: Place, node: Buffer, region: number): Promise<boolean> {
    const chunks = decodeLeaf(node);
    await this.#checker.checkChunks(chunks.map(({ digest }) => digest));
    let whole = true;
    for (const { digest, firstBlock, blocks } of chunks) {
      if (!this.#checker.isDamaged('chunk', toHex(digest))) continue;
      whole = false;
      const offset = region * REGION_BYTES + firstBlock * BLOCK_BYTES;
      this.#addRange(place, { offset, length: blocks * BLOCK_BYTES }, digest, 'chunk');
    }
    return whole;
  }

  #addRange(place: Place, range: ByteRange, digest: Uint8Array, kind: DamagedRange['kind']): void {
    const length = Math.min(range.length, place.volume.sizeBytes - range.offset);
    this.#ranges.push({
      ...base(place.listing),
      volume: place.volume.name,
      offset: range.offset,
      length,
      object: toHex(digest),
      kind,
    });
  }
}

function typeOf(level: number): typeof ObjectType.leaf | typeof ObjectType.inner {
  return level === 0 ? ObjectType.leaf : ObjectType.inner;
}

function base(listing: Listing): { readonly machine: string; readonly shadowCopy: string } {
  return { machine: listing.machine, shadowCopy: listing.name };
}
