import { ObjectType } from '../codec/formats.js';
import type { Clock } from '../common/clock.js';
import type { FormatRecord } from './format-record.js';
import type { KvReader } from './kv.js';
import type { ObjectStore } from './object-store.js';
import type { IngestSession } from './session.js';
import { encodeSettings, NO_SETTINGS, quarantinedSettings, readSettings, type Settings } from './settings.js';
import { unlessFull } from './store-marks.js';

/** So long after a change that failed it is seen to that it does not hold later, and again as long as that fails, too. */
const RESTORE_MS = 5 * 60_000;

export interface StoredSettingsParts {
  readonly format: FormatRecord;
  readonly meta: KvReader;
  readonly objectStore: ObjectStore;
  readonly openSession: () => IngestSession;
  /** What is written instead: it may have to be remembered what held until now. */
  readonly keep: (before: Settings, after: Settings) => Promise<Settings>;
  readonly clock: Clock;
  /** Does what is small and has to be done, with the reserve if the disk is full; as {@link Reserve.spend}. */
  readonly spend?: ((task: () => Promise<void>) => Promise<void>) | undefined;
}

/**
 * The settings of a store, which are an object of it. One change comes after the other.
 *
 * A change that failed may be on disk all the same, or come into the index with what is written next: it would be the newest there, and hold
 * in the next server, however much later that starts, although whoever asked for it was told that it does not. So what holds is written again behind it.
 */
export class StoredSettings {
  readonly #parts: StoredSettingsParts;
  #current: Settings = NO_SETTINGS;
  #last: Promise<unknown> = Promise.resolve();
  /** Changes that failed have sequence numbers below this; 0 if nothing of them is left, or what holds is newer. */
  #doubtfulBelow = 0;
  #cancelRestore: () => void = nothing;
  #isClosed = false;

  constructor(parts: StoredSettingsParts) {
    this.#parts = parts;
  }

  get current(): Settings {
    return this.#current;
  }

  /** Read them, and see to it that there are some, with a copy of the format record. @throws {UmbraError} STORE_FAILED */
  async load(): Promise<void> {
    const { objectStore, meta } = this.#parts;
    const { settings = NO_SETTINGS, isDamaged } = await readSettings(objectStore, meta);
    this.#current = settings;
    if (isDamaged) await this.#replace(settings).catch(unlessFull);
    else if (settings === NO_SETTINGS) await this.#write(NO_SETTINGS);
  }

  /**
   * Set what `change` makes of them; durable when this resolves.
   * @throws {UmbraError} what `change` throws; STORE_FULL, STORE_FAILED
   */
  update(change: (settings: Settings) => Settings): Promise<void> {
    return this.#next(async () => {
      const before = this.#current;
      const after = change(before);
      if (after === before) return;
      const kept = await this.#parts.keep(before, after);
      try {
        await this.#write(kept);
      } catch (error) {
        this.#doubt();
        throw error;
      }
    });
  }

  /**
   * If they can't be read any more, or a change that failed may be newer, write them again: they are known.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED
   */
  mend(): Promise<void> {
    return this.#next(async () => {
      const { isDamaged } = await readSettings(this.#parts.objectStore, this.#parts.meta);
      if (isDamaged) await this.#replace(this.#current);
      else if (this.#doubtfulBelow > 0) await this.#write(this.#current);
    });
  }

  /** The next server knows nothing of what failed: the reserve is for this, which is once in a life. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelRestore();
    const { spend = (task) => task() } = this.#parts;
    // What can't be written even so may be as the one or the other.
    if (this.#doubtfulBelow > 0) await spend(() => this.mend()).catch(nothing);
  }

  #doubt(): void {
    this.#doubtfulBelow = this.#parts.objectStore.log.nextSequence;
    this.#restoreLater();
  }

  #restoreLater(): void {
    this.#cancelRestore();
    if (this.#isClosed) return;
    this.#cancelRestore = this.#parts.clock.after(RESTORE_MS, () => {
      // Without the reserve: a disk that stays full would have all of it taken, bit by bit.
      void this.mend()
        .catch(nothing)
        .then(() => {
          if (this.#doubtfulBelow > 0) this.#restoreLater();
        });
    });
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(settings: Settings): Promise<void> {
    const plain = encodeSettings(this.#parts.format, settings);
    let sequence: number;
    // The same may be in flight since an attempt that failed, older than what failed since: when that is in the index it is added anew.
    do sequence = await this.#add(plain);
    while (sequence < this.#doubtfulBelow);
    this.#doubtfulBelow = 0;
    this.#current = settings;
  }

  /** @returns the sequence number that it has */
  async #add(plain: Buffer): Promise<number> {
    const session = this.#parts.openSession();
    try {
      const { sequence } = await session.addLast(ObjectType.settings, plain);
      await session.barrier();
      return sequence;
    } finally {
      session.end();
    }
  }

  /** Write settings in the place of damaged ones, which are then no longer in quarantine. */
  async #replace(settings: Settings): Promise<void> {
    const names = await quarantinedSettings(this.#parts.meta);
    await this.#write(settings);
    await this.#parts.objectStore.settleQuarantine(new Set(names), new Map());
  }
}

function nothing(): void {
  // It is tried again, or the next server finds out.
}
