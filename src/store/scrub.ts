import { ObjectType } from '../codec/formats.js';
import type { WorkerPool } from '../workers/pool.js';
import type { IndexEntry } from './index-entries.js';
import { indexEntries } from './object-index.js';
import { MOST_DAMAGE, ScrubMarks, type FileDamage, type ScrubMark } from './scrub-marks.js';
import {
  META_SEGMENT,
  planScrub,
  SEGMENT_OBJECTS,
  scrubFigures,
  type Moment,
  type ScrubFigures,
  type ScrubPlan,
  type Segment,
} from './scrub-plan.js';
import { countSegment, grown, segmentFrom } from './scrub-segments.js';
import { checkOneTable, tablesOf, tablesOfObjects } from './scrub-tables.js';
import type { Store } from './store.js';
import { ObjectChecker } from './verify-objects.js';

/** Read in one step. */
const PIECE_OBJECTS = 64;
const PIECE_BYTES = 2 * 1024 * 1024;
/** A table of `meta` is as much work as so many objects. */
const TABLE_OBJECTS = 64;

export interface ScrubOptions {
  readonly store: Store;
  readonly pool: () => WorkerPool;
  readonly now: () => Moment;
  /** For tests. */
  readonly segmentObjects?: number;
}

interface Reading {
  readonly index: number;
  readonly begin: Moment;
  /** Tables to check before anything of them is read through LevelDB. */
  readonly tables: string[];
  readonly checker: ObjectChecker;
  readonly damage: FileDamage[];
  position: number;
  objects: number;
  bytes: number;
}

interface Known extends Segment {
  readonly damage: readonly FileDamage[];
}

/**
 * Reads all objects of a store again and again, in small steps, and checks them; damaged ones go into quarantine. It goes by segments:
 * of each it is noted, durably, when reading it began, once that has ended. Before objects are read through LevelDB, the tables that hold
 * them are checked without it, as it ends the process over some damage.
 */
export class Scrub {
  readonly #options: ScrubOptions;
  readonly #marks: ScrubMarks;
  readonly #segmentObjects: number;
  readonly #segments = new Map<number, Known>();
  /** Sequence numbers below this are in segments that are known. */
  #seen = 0;
  /** Segments whose first mark is not noted yet: who reads them must not be put off by each restart. */
  readonly #unnoted = new Set<number>();
  #reading: Reading | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #readBytes = 0;
  #ownReads = 0;

  private constructor(options: ScrubOptions) {
    this.#options = options;
    this.#segmentObjects = options.segmentObjects ?? SEGMENT_OBJECTS;
    this.#marks = new ScrubMarks(options.store.objectStore.meta);
  }

  /** @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  static async open(options: ScrubOptions): Promise<Scrub> {
    const scrub = new Scrub(options);
    await scrub.#load();
    return scrub;
  }

  get store(): Store {
    return this.#options.store;
  }

  /** True in the midst of a segment. */
  get isReading(): boolean {
    return this.#reading !== undefined;
  }

  /** How many objects were read by others. */
  get othersReads(): number {
    return this.#options.store.objectStore.reader.frames - this.#ownReads;
  }

  /** Bytes of frames read since it was opened. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /** Damage of files and of the index, as it was found last. */
  get damage(): readonly FileDamage[] {
    return [...this.#segments.values()].flatMap(({ damage }) => damage);
  }

  /** See what was stored meanwhile. @throws {UmbraError} STORE_FULL, STORE_FAILED */
  async look(): Promise<void> {
    this.#meetNew();
    const indices = [...this.#unnoted];
    await this.#marks.write(indices.map((index) => [index, markOf(this.#segments.get(index))]));
    for (const index of indices) this.#unnoted.delete(index);
  }

  plan(periodMs: number): ScrubPlan {
    return planScrub(this.#segments.values(), this.#options.now(), periodMs);
  }

  /** @throws {UmbraError} STORE_FAILED */
  async figures(periodMs: number): Promise<ScrubFigures> {
    const diskBytes = await this.#options.store.objectStore.objects.diskBytes();
    return scrubFigures(this.#segments.values(), this.#options.now(), periodMs, diskBytes);
  }

  /** True if something was not read since `begin`. */
  hasOlder(begin: Moment): boolean {
    return [...this.#segments.values()].some(({ isRead, mark }) => !isRead || mark.trustedMs < begin.trustedMs);
  }

  /**
   * Do the next small step; steps that are asked for at once come one after the other.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED; the segment is begun anew then. What `signal` was aborted with
   */
  step(signal: AbortSignal): Promise<void> {
    const done = this.#last.then(() => this.#step(signal));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #step(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.look();
    try {
      this.#reading ??= await this.#begin();
      const reading = this.#reading;
      if (reading === undefined || !(await this.#readOn(reading, signal))) return;
      this.#reading = undefined;
      await this.#settle(reading);
    } catch (error) {
      if (!signal.aborted) this.#reading = undefined;
      throw error;
    }
  }

  /** Begin the segment that was read longest ago. */
  async #begin(): Promise<Reading | undefined> {
    const { store, now, pool } = this.#options;
    const { next } = this.plan(Number.MAX_SAFE_INTEGER);
    if (next === undefined) return undefined;
    const { index } = next;
    const { meta, objects } = store.objectStore;
    const [from, to] = [index * this.#segmentObjects, (index + 1) * this.#segmentObjects];
    const tables = index === META_SEGMENT ? await tablesOf(meta) : await tablesOfObjects(objects, from, to);
    const checker = new ObjectChecker(store, pool());
    return { index, begin: now(), tables, checker, damage: [], position: from, objects: 0, bytes: 0 };
  }

  /** @returns true once the segment is at its end */
  async #readOn(reading: Reading, signal: AbortSignal): Promise<boolean> {
    const { meta, objects } = this.#options.store.objectStore;
    const isMeta = reading.index === META_SEGMENT;
    const table = reading.tables.pop();
    if (table !== undefined) {
      const { damage, bytes } = await checkOneTable(isMeta ? meta : objects, table, { isMeta, signal });
      this.#note(reading, 'table', damage);
      if (isMeta) {
        reading.objects += TABLE_OBJECTS;
        reading.bytes += bytes;
      }
      return false;
    }
    // LevelDB could end the process over what is damaged there.
    if (isMeta || reading.damage.length > 0) return true;
    return await this.#readObjects(reading);
  }

  async #readObjects(reading: Reading): Promise<boolean> {
    const { meta } = this.#options.store.objectStore;
    const end = (reading.index + 1) * this.#segmentObjects;
    const entries: IndexEntry[] = [];
    let bytes = 0;
    let isAtEnd = true;
    for await (const { sequence, entry } of indexEntries(meta, reading.position)) {
      if (sequence !== undefined && sequence >= end) break;
      if (entries.length >= PIECE_OBJECTS || bytes >= PIECE_BYTES) {
        isAtEnd = false;
        break;
      }
      if (sequence !== undefined) reading.position = sequence + 1;
      if (entry === undefined) {
        this.#note(reading, 'index', [{ object: `${sequence ?? 'unknown'}`, reason: 'its index entry is damaged' }]);
        continue;
      }
      // The bytes that an iterator gives are good until it goes on.
      entries.push({ ...entry, digest: Uint8Array.from(entry.digest) });
      bytes += entry.storedBytes;
    }
    const { objects: before } = reading.checker;
    for (const type of Object.values(ObjectType)) {
      const ofType = entries.filter((entry) => entry.type === type);
      if (ofType.length > 0) await reading.checker.checkEntries(type, ofType);
    }
    this.#ownReads += reading.checker.objects - before;
    reading.objects += entries.length;
    reading.bytes += bytes;
    this.#readBytes += bytes;
    return isAtEnd;
  }

  #note(reading: Reading, kind: string, found: readonly { readonly object: string; readonly reason: string }[]): void {
    const foundMs = this.#options.now().wallMs;
    for (const { object, reason } of found.slice(0, MOST_DAMAGE - reading.damage.length))
      reading.damage.push({ kind, object, reason, foundMs });
  }

  async #settle({ index, begin, objects, bytes, damage }: Reading): Promise<void> {
    const isGone = objects === 0 && damage.length === 0 && !this.#isLast(index);
    if (isGone) this.#segments.delete(index);
    else this.#segments.set(index, { index, objects, bytes, damage, mark: begin, isRead: true });
    this.#unnoted.delete(index);
    await this.#marks.write([[index, markOf(this.#segments.get(index))]]);
  }

  /** The segment that objects still come into. */
  #isLast(index: number): boolean {
    return index === META_SEGMENT || index === Math.floor((this.#seen - 1) / this.#segmentObjects);
  }

  async #load(): Promise<void> {
    const { meta, log } = this.#options.store.objectStore;
    const marks = await this.#marks.all();
    const newest = Math.max(...[...marks.keys()].filter((index) => index !== META_SEGMENT));
    const mark = this.#options.now();
    const size = this.#segmentObjects;
    for (let index = await segmentFrom(meta, 0, size); index !== undefined;) {
      const known = marks.get(index);
      // Behind the newest mark, and in its own segment, came what is not noted; and numbers are left out.
      const objects = known === undefined || index >= newest ? await countSegment(meta, index, size) : known.objects;
      // Once a newer one is noted, it is not counted again.
      if (objects !== known?.objects) this.#unnoted.add(index);
      this.#add(index, known && grown(known, objects - known.objects), mark, objects);
      index = await segmentFrom(meta, index + 1, size);
    }
    const tables = await tablesOf(meta);
    if (tables.length > 0) this.#add(META_SEGMENT, marks.get(META_SEGMENT), mark, TABLE_OBJECTS * tables.length);
    this.#seen = log.nextSequence;
    await this.look();
  }

  #add(index: number, known: ScrubMark | undefined, mark: Moment, objects: number): void {
    if (known === undefined) {
      this.#unnoted.add(index);
      this.#segments.set(index, { index, objects, bytes: 0, damage: [], mark, isRead: false });
      return;
    }
    const { wallMs, trustedMs, ...rest } = known;
    this.#segments.set(index, { index, ...rest, mark: { wallMs, trustedMs } });
  }

  /** Objects were stored: the segments that they are in are known from now on. */
  #meetNew(): void {
    const { nextSequence } = this.#options.store.objectStore.log;
    if (nextSequence === this.#seen) return;
    const first = Math.floor(this.#seen / this.#segmentObjects);
    const last = Math.floor((nextSequence - 1) / this.#segmentObjects);
    const mark = this.#options.now();
    for (let index = first; index <= last; index++) {
      const known = this.#segments.get(index);
      const from = Math.max(this.#seen, index * this.#segmentObjects);
      const added = Math.min(nextSequence, (index + 1) * this.#segmentObjects) - from;
      if (known === undefined) this.#add(index, undefined, mark, added);
      else this.#segments.set(index, grown(known, added));
    }
    // It has all that it will have, which is to be noted.
    if (last > first && this.#segments.has(first)) this.#unnoted.add(first);
    this.#seen = nextSequence;
  }
}

/** What is noted of a segment; nothing of one that is gone. */
function markOf(segment: Known | undefined): ScrubMark | undefined {
  if (segment === undefined) return undefined;
  const { mark, objects, bytes, damage, isRead } = segment;
  return { ...mark, objects, bytes, damage, isRead };
}
