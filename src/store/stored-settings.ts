import { ObjectType } from '../codec/formats.js';
import type { FormatRecord } from './format-record.js';
import type { KvReader } from './kv.js';
import type { ObjectStore } from './object-store.js';
import type { IngestSession } from './session.js';
import { encodeSettings, NO_SETTINGS, quarantinedSettings, readSettings, type Settings } from './settings.js';
import { unlessFull } from './store-marks.js';

export interface StoredSettingsParts {
  readonly format: FormatRecord;
  readonly meta: KvReader;
  readonly objectStore: ObjectStore;
  readonly openSession: () => IngestSession;
  /** What is written instead: it may have to be remembered what held until now. */
  readonly keep: (before: Settings, after: Settings) => Promise<Settings>;
}

/** The settings of a store, which are an object of it. One change comes after the other. */
export class StoredSettings {
  readonly #parts: StoredSettingsParts;
  #current: Settings = NO_SETTINGS;
  #last: Promise<unknown> = Promise.resolve();

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
      if (after !== before) await this.#write(await this.#parts.keep(before, after));
    });
  }

  /** If they can't be read any more, write them again: they are known. @throws {UmbraError} STORE_FULL, STORE_FAILED */
  mend(): Promise<void> {
    return this.#next(async () => {
      const { isDamaged } = await readSettings(this.#parts.objectStore, this.#parts.meta);
      if (isDamaged) await this.#replace(this.#current);
    });
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(settings: Settings): Promise<void> {
    const session = this.#parts.openSession();
    try {
      await session.addLast(ObjectType.settings, encodeSettings(this.#parts.format, settings));
      await session.barrier();
    } finally {
      session.end();
    }
    this.#current = settings;
  }

  /** Write settings in the place of damaged ones, which are then no longer in quarantine. */
  async #replace(settings: Settings): Promise<void> {
    const names = await quarantinedSettings(this.#parts.meta);
    await this.#write(settings);
    await this.#parts.objectStore.settleQuarantine(new Set(names), new Map());
  }
}
