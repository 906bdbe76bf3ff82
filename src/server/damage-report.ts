import { toHex } from '../codec/digest.js';
import { ObjectType } from '../codec/formats.js';
import { isUmbraError } from '../common/errors.js';
import type { ByteRange, Progress } from '../protocol/api.js';
import type {
  DamagedFileInfo,
  DamagedObjectInfo,
  DamagedPlaceInfo,
  DamageRequest,
  DamageResult,
} from '../protocol/upkeep-api.js';
import type { FileOperations } from '../files/file-operations.js';
import type { DamagedVersion } from '../files/touched-files.js';
import type { Listing } from '../store/catalog.js';
import { leaseUnlessDeleted } from '../store/leases.js';
import { quarantined } from '../store/object-index.js';
import { kindOf } from '../store/object-reader.js';
import type { FileDamage } from '../store/scrub-marks.js';
import type { Store } from '../store/store.js';
import { damageAdvice } from './damage-advice.js';

/** Of each so many are told one by one. */
const MOST_OBJECTS = 1_000;
const MOST_PLACES = 10_000;
const MOST_FILES = 10_000;
const MOST_NAMED = 100;
/** File systems of a machine that are looked through, unless one shadow copy is asked for. */
const MOST_WALKS = 16;

export interface DamageReportOptions {
  readonly store: Store;
  readonly files: FileOperations;
  /** Damage of files of the databases, as the scrub knows it. */
  readonly fileDamage: readonly FileDamage[];
  readonly request: DamageRequest;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/** @throws {UmbraError} NOT_FOUND, STORE_FAILED, CANCELLED */
export async function reportDamage(options: DamageReportOptions): Promise<Omit<DamageResult, 'seconds'>> {
  const { store, request, fileDamage } = options;
  const { objects, objectCount } = await damagedObjects(store);
  for (const { foundMs, ...damage } of fileDamage.slice(0, MOST_OBJECTS - objects.length))
    objects.push({ ...damage, foundAt: new Date(foundMs).toISOString() });
  const places = new Places(store);
  const files = new Files(options);
  for (const machine of machinesOf(store, request)) {
    const versions: DamagedVersion[] = [];
    const { catalog } = store;
    const listings =
      request.version === undefined ? catalog.shadowCopies(machine) : [catalog.find(machine, request.version)];
    for (const listing of listings) {
      const ranges = await places.add(listing, options);
      if (ranges.size > 0) versions.unshift({ listing, ranges });
    }
    await files.add(machine, versions);
  }
  const count = objectCount + fileDamage.length;
  const result = { objects, objectCount: count, places: places.list(), placeCount: places.count, ...files.result() };
  const advice = damageAdvice(result);
  return { ...result, ...(advice === undefined ? {} : { advice }) };
}

function machinesOf(store: Store, { machine }: DamageRequest): readonly string[] {
  if (machine === undefined) return store.catalog.machines();
  store.catalog.find(machine, 'latest');
  return [machine];
}

async function damagedObjects(store: Store): Promise<{ objects: DamagedObjectInfo[]; objectCount: number }> {
  const objects: DamagedObjectInfo[] = [];
  let objectCount = 0;
  for await (const { type, digest, reason, timeMs } of quarantined(store.objectStore.meta)) {
    objectCount++;
    if (objects.length >= MOST_OBJECTS) continue;
    const known = Object.values(ObjectType).find((one) => one === type);
    objects.push({
      object: toHex(digest),
      kind: known === undefined ? 'object' : kindOf(known),
      reason,
      ...(timeMs === 0 ? {} : { foundAt: new Date(timeMs).toISOString() }),
    });
  }
  return { objects, objectCount };
}

interface Place extends Omit<DamagedPlaceInfo, 'shadowCopyCount' | 'isInNewest'> {
  readonly shadowCopies: string[];
  shadowCopyCount: number;
  isInNewest: boolean;
}

/** The same stretch of a volume in many shadow copies is one place. */
class Places {
  count = 0;
  readonly #store: Store;
  readonly #places = new Map<string, Place>();

  constructor(store: Store) {
    this.#store = store;
  }

  list(): readonly DamagedPlaceInfo[] {
    return [...this.#places.values()];
  }

  /** @returns what is damaged of each of its volumes */
  async add(listing: Listing, { signal, progress }: DamageReportOptions): Promise<DamagedVersion['ranges']> {
    const { objectStore } = this.#store;
    const ranges = new Map<string, ByteRange[]>();
    signal.throwIfAborted();
    progress({ what: `looking at ${listing.machine}@${listing.name}`, doneBytes: 0 });
    // What was deleted before its turn came may be collected.
    const giveBack = leaseUnlessDeleted(this.#store, listing);
    if (giveBack === undefined) return ranges;
    try {
      for (const volume of (await this.#store.record(listing)).volumes) {
        const ofVolume: ByteRange[] = [];
        for await (const { offset, length, digest } of objectStore.survey.placesIn(volume, signal)) {
          ofVolume.push({ offset, length });
          this.#note(listing, { object: toHex(digest), volume: volume.name, offset, length });
        }
        if (ofVolume.length > 0) ranges.set(volume.name, ofVolume);
      }
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      this.#note(listing, { object: toHex(listing.record), volume: '', offset: 0, length: 0 });
    } finally {
      giveBack();
    }
    return ranges;
  }

  #note({ machine, name }: Listing, what: Pick<Place, 'object' | 'volume' | 'offset' | 'length'>): void {
    const key = `${machine}\0${what.volume}\0${what.offset}\0${what.object}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      this.count++;
      if (this.#places.size >= MOST_PLACES) return;
      place = { ...what, machine, shadowCopies: [], shadowCopyCount: 0, isInNewest: false };
      this.#places.set(key, place);
    }
    place.shadowCopyCount++;
    if (place.shadowCopies.length < MOST_NAMED) place.shadowCopies.push(name);
    if (this.#store.catalog.latest(machine)?.name === name) place.isInNewest = true;
  }
}

type FilesResult = Pick<DamageResult, 'files' | 'fileCount' | 'unread' | 'unreadCount' | 'onlyByPath'>;

class Files {
  readonly #options: DamageReportOptions;
  readonly #files: DamagedFileInfo[] = [];
  readonly #unread: DamageResult['unread'][number][] = [];
  readonly #onlyByPath: string[] = [];
  #fileCount = 0;
  #unreadCount = 0;

  constructor(options: DamageReportOptions) {
    this.#options = options;
  }

  async add(machine: string, versions: readonly DamagedVersion[]): Promise<void> {
    if (versions.length === 0) return;
    const { files, request, signal, progress } = this.#options;
    const mostWalks = request.version === undefined ? MOST_WALKS : Infinity;
    const touched = await files.touched({ versions, mostWalks }, { signal, progress });
    this.#fileCount += touched.files.length;
    for (const { path, damagedBytes, shadowCopies } of touched.files.slice(0, MOST_FILES - this.#files.length)) {
      const oldestFirst = shadowCopies.toReversed();
      this.#files.push({
        machine,
        path,
        damagedBytes,
        shadowCopies: oldestFirst.slice(0, MOST_NAMED),
        shadowCopyCount: oldestFirst.length,
      });
    }
    this.#unreadCount += touched.unreadCount;
    for (const { shadowCopy, path, reason } of touched.unread.slice(0, MOST_OBJECTS - this.#unread.length))
      this.#unread.push({ machine, shadowCopy, path, reason });
    this.#onlyByPath.push(...touched.onlyByPath.map((name) => `${machine}@${name}`));
  }

  result(): FilesResult {
    return {
      files: this.#files,
      fileCount: this.#fileCount,
      unread: this.#unread,
      unreadCount: this.#unreadCount,
      onlyByPath: this.#onlyByPath,
    };
  }
}
