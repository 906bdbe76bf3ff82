import type { ShadowCopySource, ShadowCopySummary, ShadowCopyView } from './source.js';

/** Views kept at most. A view is metadata of one shadow copy: some kilobytes and its configuration files. */
const MAX_VIEWS = 64;
/** Configuration bytes kept at most, all views together; one view is kept whatever its size. */
const MAX_BYTES = 16 * 1024 * 1024;

interface Entry {
  readonly view: Promise<ShadowCopyView>;
  bytes: number;
}

/**
 * Opened shadow copies, the least recently used thrown away. A shadow copy never changes, so a view
 * is good for as long as the shadow copy is listed; whether it is, callers look up first.
 */
export class ViewCache {
  readonly #source: ShadowCopySource;
  /** In the order of use, the latest last. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(source: ShadowCopySource) {
    this.#source = source;
  }

  /** @throws {UmbraError} NOT_FOUND, STORE_DAMAGED */
  async get(machine: string, summary: ShadowCopySummary): Promise<ShadowCopyView> {
    // The time tells apart a shadow copy from one of the same name that was forgotten.
    const key = `${machine}@${summary.name}@${summary.timeMs}`;
    const entry = this.#entries.get(key) ?? this.#open(key, machine, summary.name);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#trim();
    return await entry.view;
  }

  #open(key: string, machine: string, version: string): Entry {
    const entry: Entry = { view: this.#source.open(machine, version), bytes: 0 };
    entry.view.then(
      (view) => {
        this.#weigh(key, entry, view);
      },
      () => {
        // An error is not kept: the next look may find the shadow copy healed.
        if (this.#entries.get(key) === entry) this.#drop(key, entry);
      },
    );
    return entry;
  }

  #weigh(key: string, entry: Entry, view: ShadowCopyView): void {
    if (this.#entries.get(key) !== entry) return;
    entry.bytes = view.config.reduce((sum, { data }) => sum + data.byteLength, 0);
    this.#bytes += entry.bytes;
    this.#trim();
  }

  #trim(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= 1 || (this.#entries.size <= MAX_VIEWS && this.#bytes <= MAX_BYTES)) return;
      this.#drop(key, entry);
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
