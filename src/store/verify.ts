import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../codec/formats.js';
import { isEmptyDigest, toHex } from '../codec/digest.js';
import { decodeFrame, FrameError } from '../codec/frame.js';
import { isUmbraError, messageOf } from '../common/errors.js';
import type { ByteRange, DamagedRange, Progress, VerifyResult } from '../protocol/api.js';
import { decodeInner, decodeLeaf, regionCount, regionsBelow, treeHeight } from '../tree/node.js';
import type { WorkerPool } from '../workers/pool.js';
import type { Listing } from './catalog.js';
import { indexEntries } from './object-index.js';
import type { IndexEntry } from './index-entries.js';
import { kindOf } from './object-reader.js';
import type { VolumeRecord } from './records.js';
import type { Store } from './store.js';

/** Objects checked in one step. */
const BATCH_OBJECTS = 128;
const BATCH_BYTES = 8 * 1024 * 1024;

export interface VerifyOptions {
  readonly store: Store;
  readonly pool: WorkerPool;
  /** Which shadow copies; with `everything`, all objects of the store are read too, referred to or not. */
  readonly listings: readonly Listing[];
  readonly everything: boolean;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

interface Place {
  readonly listing: Listing;
  readonly volume: VolumeRecord;
}

interface Damage {
  readonly object: string;
  readonly kind: string;
  readonly reason: string;
}

/** One verification: every object read, decoded and its digest compared, each once. */
export class Verification {
  readonly #options: VerifyOptions;
  readonly #damaged = new Map<string, Damage>();
  readonly #checkedChunks = new Set<string>();
  readonly #whole = new Set<string>();
  readonly #ranges: DamagedRange[] = [];
  #objects = 0;
  #bytes = 0;

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  /** @throws what `signal` was aborted with */
  async run(): Promise<Omit<VerifyResult, 'seconds'>> {
    if (this.#options.everything) await this.#checkAllObjects();
    for (const listing of this.#options.listings) await this.#checkShadowCopy(listing);
    const found = this.#damaged.size > 0 || this.#ranges.length > 0;
    return {
      checkedObjects: this.#objects,
      checkedBytes: this.#bytes,
      damagedObjects: [...this.#damaged.values()],
      damaged: this.#ranges,
      ...(found ? { advice: adviceFor(this.#ranges) } : {}),
    };
  }

  /** All objects in ingest order: sequential reading, whatever refers to them. */
  async #checkAllObjects(): Promise<void> {
    let batch: IndexEntry[] = [];
    let bytes = 0;
    let running: Promise<void> = Promise.resolve();
    for await (const { sequence, entry } of indexEntries(this.#options.store.objectStore.meta)) {
      if (entry === undefined) {
        this.#note('index', `${sequence}`, 'its index entry is damaged');
        continue;
      }
      batch.push(entry);
      bytes += entry.storedBytes;
      if (batch.length < BATCH_OBJECTS && bytes < BATCH_BYTES) continue;
      const full = batch;
      await running;
      running = this.#checkBatch(full);
      batch = [];
      bytes = 0;
    }
    await running;
    await this.#checkBatch(batch);
  }

  async #checkBatch(entries: readonly IndexEntry[]): Promise<void> {
    this.#options.signal.throwIfAborted();
    for (const type of Object.values(ObjectType)) {
      const digests = entries.filter((entry) => entry.type === type).map(({ digest }) => digest);
      if (digests.length > 0) await this.#checkObjects(type, digests);
    }
    this.#options.progress({ what: 'reading objects', doneBytes: this.#bytes });
  }

  async #checkObjects(type: ObjectType, digests: readonly Uint8Array[]): Promise<void> {
    const { store, pool } = this.#options;
    const results = await store.reader.readFrames(type, digests);
    const frames: Uint8Array[] = [];
    const present: Uint8Array[] = [];
    for (const [index, digest] of digests.entries()) {
      const result = results[index];
      this.#objects++;
      if (result !== undefined && 'frame' in result) {
        this.#bytes += result.frame.length;
        frames.push(result.frame);
        present.push(digest);
      } else if (result?.fault !== 'it is not in the index' || !this.#options.everything) {
        await this.#found(type, digest, result?.fault ?? 'missing');
      }
    }
    const faults =
      type === ObjectType.chunk
        ? (await pool.run({ op: 'check', frames, digests: Buffer.concat(present) })).faults
        : faultsOf(type, frames, present);
    for (const { index, reason } of faults) {
      const digest = present[index];
      if (digest !== undefined) await this.#found(type, digest, reason);
    }
  }

  async #checkShadowCopy(listing: Listing): Promise<void> {
    const { store, progress } = this.#options;
    const giveBack = store.leases.take(listing);
    try {
      progress({ what: `walking ${listing.machine}@${listing.name}`, doneBytes: this.#bytes });
      const { volumes } = await store.record(listing);
      for (const volume of volumes) await this.#checkVolume(listing, volume);
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      this.#note('record', toHex(listing.record), messageOf(error));
      this.#ranges.push({ ...base(listing), volume: '', offset: 0, length: 0, object: toHex(listing.record), kind: 'node' });
    } finally {
      giveBack();
    }
  }

  async #checkVolume(listing: Listing, volume: VolumeRecord): Promise<void> {
    if (isEmptyDigest(volume.root)) return;
    await this.#checkNode({ listing, volume }, volume.root, treeHeight(regionCount(volume.sizeBytes)), 0);
  }

  /**
   * Check what lies below a node. A subtree found whole is not walked again, in whichever shadow copy it turns up.
   * @returns true if it is whole
   */
  async #checkNode(place: Place, digest: Uint8Array, level: number, firstRegion: number): Promise<boolean> {
    const key = Buffer.from(digest).toString('latin1');
    if (this.#whole.has(key)) return true;
    this.#options.signal.throwIfAborted();
    let whole: boolean;
    try {
      whole = level === 0 ? await this.#checkLeaf(place, digest, firstRegion) : await this.#checkInner(place, digest, level, firstRegion);
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      this.#note('node', toHex(digest), messageOf(error));
      this.#addRange(place, { offset: firstRegion * REGION_BYTES, length: regionsBelow(level) * REGION_BYTES }, digest, 'node');
      return false;
    }
    if (whole) this.#whole.add(key);
    return whole;
  }

  async #checkInner(place: Place, digest: Uint8Array, level: number, firstRegion: number): Promise<boolean> {
    const children = decodeInner(await this.#options.store.reader.read(ObjectType.inner, digest), level);
    let whole = true;
    for (const [index, child] of children.entries()) {
      if (child === undefined) continue;
      const below = await this.#checkNode(place, child, level - 1, firstRegion + index * regionsBelow(level - 1));
      whole = whole && below;
    }
    return whole;
  }

  async #checkLeaf(place: Place, digest: Uint8Array, region: number): Promise<boolean> {
    const chunks = decodeLeaf(await this.#options.store.reader.read(ObjectType.leaf, digest));
    const unseen = chunks.filter((chunk) => !this.#checkedChunks.has(toHex(chunk.digest)));
    if (this.#options.everything) {
      await this.#findMissing(chunks.map((chunk) => chunk.digest));
    } else if (unseen.length > 0) {
      for (const chunk of unseen) this.#checkedChunks.add(toHex(chunk.digest));
      await this.#checkObjects(ObjectType.chunk, unseen.map((chunk) => chunk.digest));
    }
    let whole = true;
    for (const chunk of chunks) {
      if (!this.#damaged.has(toHex(chunk.digest))) continue;
      whole = false;
      const offset = region * REGION_BYTES + chunk.firstBlock * BLOCK_BYTES;
      this.#addRange(place, { offset, length: chunk.blocks * BLOCK_BYTES }, chunk.digest, 'chunk');
    }
    return whole;
  }

  #addRange(place: Place, range: ByteRange, digest: Uint8Array, kind: DamagedRange['kind']): void {
    const length = Math.min(range.length, place.volume.sizeBytes - range.offset);
    this.#ranges.push({ ...base(place.listing), volume: place.volume.name, offset: range.offset, length, object: toHex(digest), kind });
  }

  /** Chunks that a tree refers to and the index does not have. */
  async #findMissing(digests: readonly Uint8Array[]): Promise<void> {
    const present = await this.#options.store.reader.has(ObjectType.chunk, digests);
    for (const [index, digest] of digests.entries()) {
      if (present[index] === false) this.#note('chunk', toHex(digest), 'it is not in the index');
    }
  }

  async #found(type: ObjectType, digest: Uint8Array, reason: string): Promise<void> {
    const error = await this.#options.store.reader.reportDamage(type, digest, reason);
    this.#note(kindOf(type), toHex(digest), error.message);
  }

  #note(kind: string, object: string, reason: string): void {
    if (!this.#damaged.has(object)) this.#damaged.set(object, { object, kind, reason });
  }
}

function faultsOf(type: ObjectType, frames: readonly Uint8Array[], digests: readonly Uint8Array[]): { index: number; reason: string }[] {
  return frames.flatMap((frame, index) => {
    try {
      decodeFrame(frame, { type, digest: digests[index] ?? new Uint8Array() });
      return [];
    } catch (error) {
      if (error instanceof FrameError) return [{ index, reason: error.message }];
      throw error;
    }
  });
}

function base(listing: Listing): { readonly machine: string; readonly shadowCopy: string } {
  return { machine: listing.machine, shadowCopy: listing.name };
}

function adviceFor(ranges: readonly DamagedRange[]): string {
  const lost = ranges.filter(({ volume }) => volume === '').map(({ machine, shadowCopy }) => `${machine}@${shadowCopy}`);
  const machines = [...new Set(ranges.filter(({ volume }) => volume !== '').map(({ machine }) => machine))];
  if (lost.length > 0 && machines.length === 0) return `The record of ${lost.join(', ')} is lost: "umbra forget" deletes what is left.`;
  if (machines.length === 0) return 'No shadow copy refers to what is damaged; "umbra gc" removes it.';
  return (
    `Run "umbra backup" for ${machines.join(', ')}: whatever the disks still hold of the damaged content is stored ` +
    'again, and every shadow copy that refers to it is whole. What has changed on the disks since stays damaged.'
  );
}
