import type { Clock } from '../../src/common/clock.js';
import type { Eventually } from '../../src/common/eventually.js';
import type { Log } from '../../src/common/log.js';
import { BlockCache } from '../blocks/block-cache.js';
import { type ImageCaches, imageCaches } from '../qcow2/image-caches.js';
import type { ShadowCopySource, ShadowCopySummary } from '../source.js';
import type { FindDevices } from './guest-device.js';
import { ShadowFiles } from './shadow-files.js';

/** Metadata of all guests' file systems that is kept in memory. */
const CACHE_BYTES = 32 * 1024 * 1024;
/** Shadow copies whose file systems are kept open. */
const MAX_OPEN = 32;
/** What their file systems may take in memory together; one shadow copy is kept whatever it takes. */
const MAX_BYTES = 64 * 1024 * 1024;
/** What a file system is taken to keep in memory when it doesn't say. */
const FILESYSTEM_BYTES = 512 * 1024;

export interface FilesServiceOptions {
  readonly source: ShadowCopySource;
  readonly find: FindDevices;
  readonly clock: Clock;
  readonly log: Log;
}

interface Entry {
  readonly summary: ShadowCopySummary;
  files: Eventually<ShadowFiles>;
  bytes: number;
}

/**
 * The file systems inside shadow copies, for all that wants to read files of guests: the mounts and the commands. Those
 * of the shadow copies that were used last stay open, within a bound; they never keep a shadow copy from being forgotten.
 */
export class FilesService {
  /** Of all of them together, and of who else reads images. */
  readonly caches: ImageCaches = imageCaches(new BlockCache(CACHE_BYTES));
  readonly #options: FilesServiceOptions;
  /** In the order of use, the latest last. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  /** The one that was used last. */
  #last: Entry | undefined;

  constructor(options: FilesServiceOptions) {
    this.#options = options;
  }

  /** How many shadow copies are open. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The files of a shadow copy that is listed now (as by ShadowCopySource.shadowCopies); at once if they are open.
   * @throws {UmbraError} NOT_FOUND, STORE_DAMAGED
   */
  open(machine: string, summary: ShadowCopySummary): Eventually<ShadowFiles> {
    if (this.#last?.summary === summary) return this.#last.files;
    // The time tells apart a shadow copy from one of the same name that was forgotten.
    const key = `${machine}@${summary.name}@${summary.timeMs}`;
    const entry = this.#entries.get(key) ?? this.#open(key, machine, summary);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#last = entry;
    this.#trim();
    return entry.files;
  }

  /** Let go of a shadow copy that is not listed any more. */
  forget(machine: string, version: string): void {
    for (const [key, entry] of this.#entries) if (key.startsWith(`${machine}@${version}@`)) this.#drop(key, entry);
  }

  /** Let go of everything. */
  close(): void {
    for (const [key, entry] of this.#entries) this.#drop(key, entry);
  }

  #open(key: string, machine: string, summary: ShadowCopySummary): Entry {
    const files = this.#openFiles(machine, summary.name, (bytes) => {
      entry.bytes += bytes;
      if (this.#entries.get(key) !== entry) return;
      this.#bytes += bytes;
      this.#trim();
    });
    const entry: Entry = { summary, bytes: 0, files };
    files.then(
      (opened) => {
        entry.files = opened;
      },
      () => {
        // An error is not kept: the next look may find the shadow copy healed.
        if (this.#entries.get(key) === entry) this.#drop(key, entry);
      },
    );
    return entry;
  }

  async #openFiles(machine: string, version: string, weigh: (bytes: number) => void): Promise<ShadowFiles> {
    const { source, find, clock, log } = this.#options;
    const view = await source.open(machine, version);
    return await ShadowFiles.open({
      title: `${machine}@${version}`,
      view,
      find,
      caches: this.caches,
      clock,
      log,
      onOpened: ({ memoryBytes = FILESYSTEM_BYTES }) => {
        weigh(memoryBytes);
      },
    });
  }

  #trim(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= 1 || (this.#entries.size <= MAX_OPEN && this.#bytes <= MAX_BYTES)) return;
      this.#drop(key, entry);
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    if (this.#last === entry) this.#last = undefined;
    void Promise.resolve(entry.files).then(
      (files) => files.close(),
      () => undefined,
    );
  }
}
