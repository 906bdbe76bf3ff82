import type { Location } from '../../mount/blocks/byte-source.js';
import type { FileId, Filesystem } from '../../mount/filesystems/filesystem.js';
import { isUmbraError } from '../common/errors.js';
import type { ByteRange, Progress } from '../protocol/api.js';
import type { UnreadPath } from '../protocol/files-api.js';
import type { Listing } from '../store/catalog.js';
import { UnreadPaths } from './damage.js';
import { OpenedVersion, type FilesContext } from './opened-version.js';
import { walkTree } from './walk-tree.js';

/** A shadow copy, and what can't be read of its volumes, in order. */
export interface DamagedVersion {
  readonly listing: Listing;
  readonly ranges: ReadonlyMap<string, readonly ByteRange[]>;
}

export interface TouchedOptions {
  readonly context: FilesContext;
  /** Of one machine, the newest first. */
  readonly versions: readonly DamagedVersion[];
  /** File systems that are looked through as a whole, at most; in others only files that newer ones have are looked for. */
  readonly mostWalks: number;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

export interface TouchedFile {
  readonly path: string;
  /** The most in any of the shadow copies. */
  damagedBytes: number;
  /** The newest first. */
  readonly shadowCopies: string[];
}

export interface TouchedFiles {
  readonly files: readonly TouchedFile[];
  readonly unread: readonly UnreadPath[];
  readonly unreadCount: number;
  /** Shadow copies that were not looked through. */
  readonly onlyByPath: readonly string[];
}

/** So many files are named. */
const MOST_FILES = 10_000;

/**
 * The files of which some bytes can't be read. A file system is looked through as a whole once; in older shadow copies first the
 * files that were found, by their paths: where they account for the same bytes, the rest is not looked at again.
 * @throws {UmbraError} STORE_FAILED, CANCELLED
 */
export async function touchedFiles(options: TouchedOptions): Promise<TouchedFiles> {
  const search = new TouchedSearch(options);
  for (const version of options.versions) await search.look(version);
  return search.result();
}

/** What was found in a device when it was last looked through. */
interface Found {
  readonly paths: readonly string[];
  /** Bytes of damage that these files account for. */
  readonly bytes: number;
  /** Bytes of damage in the device. */
  readonly damagedBytes: number;
}

class TouchedSearch {
  readonly #options: TouchedOptions;
  readonly #files = new Map<string, TouchedFile>();
  readonly #found = new Map<string, Found>();
  readonly #unread = new UnreadPaths();
  readonly #onlyByPath = new Set<string>();
  #walks = 0;

  constructor(options: TouchedOptions) {
    this.#options = options;
  }

  async look({ listing, ranges }: DamagedVersion): Promise<void> {
    const { context, signal, progress } = this.#options;
    signal.throwIfAborted();
    progress({ what: `looking at the files of ${listing.machine}@${listing.name}`, doneBytes: 0 });
    let version: OpenedVersion;
    try {
      version = await OpenedVersion.open(context, listing, 'a list of damaged files');
    } catch (error) {
      // It was forgotten meanwhile, or is not to be read at all, which is said elsewhere.
      if (isUmbraError(error, 'NOT_FOUND', 'STORE_DAMAGED')) return;
      throw error;
    }
    try {
      for (const device of version.files.names) await this.#lookInto(version, device, ranges);
    } finally {
      await version.close();
    }
  }

  result(): TouchedFiles {
    const { list, count } = this.#unread;
    const files = [...this.#files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    return { files, unread: list, unreadCount: count, onlyByPath: [...this.#onlyByPath] };
  }

  async #lookInto(version: OpenedVersion, device: string, ranges: DamagedVersion['ranges']): Promise<void> {
    const source = version.files.source(device);
    const damagedBytes = source === undefined ? Infinity : overlapOf(source.locate(0, source.sizeBytes), ranges);
    if (damagedBytes === 0) return;
    const { name } = version.listing;
    try {
      const guest = await version.files.guest(device);
      if (guest?.filesystem === undefined) {
        // What is encrypted, or of no kind that is known, nobody could look into before.
        if (guest?.unreadable?.cause === 'damaged')
          this.#unread.addDevice(name, device, { reason: guest.unreadable.text.trimEnd(), isDamaged: true });
        return;
      }
      await this.#lookFor(guest.filesystem, { name, device, ranges, damagedBytes });
    } catch (error) {
      this.#unread.add(name, `/${device}`, error);
    } finally {
      version.files.release(device);
    }
  }

  async #lookFor(filesystem: Filesystem, place: Place): Promise<void> {
    const before = this.#found.get(place.device);
    if (before !== undefined) {
      const touched = new Map<string, number>();
      for (const path of before.paths) {
        const bytes = await this.#bytesAt(filesystem, path, place);
        if (bytes > 0) touched.set(path, bytes);
      }
      const isSame = touched.size === before.paths.length && sum(touched.values()) === before.bytes;
      if (isSame && before.damagedBytes === place.damagedBytes) {
        this.#note(touched, place);
        return;
      }
      if (this.#walks >= this.#options.mostWalks) {
        this.#onlyByPath.add(place.name);
        this.#note(touched, place);
        return;
      }
    }
    this.#walks++;
    const touched = await this.#walk(filesystem, place);
    this.#found.set(place.device, {
      paths: [...touched.keys()],
      bytes: sum(touched.values()),
      damagedBytes: place.damagedBytes,
    });
    this.#note(touched, place);
  }

  async #walk(filesystem: Filesystem, place: Place): Promise<Map<string, number>> {
    const { name, device, ranges } = place;
    const touched = new Map<string, number>();
    const onError = (path: string, error: unknown): void => {
      this.#unread.add(name, path, error);
    };
    const items = walkTree<undefined>({
      filesystem,
      id: filesystem.root,
      path: `/${device}`,
      state: undefined,
      step: () => undefined,
      enters: () => true,
      onError,
      signal: this.#options.signal,
    });
    for await (const { path, item } of items) {
      try {
        const type = item.type ?? (await filesystem.stat(item.id)).type;
        const bytes = type === 'file' ? await bytesOf(filesystem, item.id, ranges) : 0;
        if (bytes > 0 && touched.size < MOST_FILES) touched.set(path, bytes);
      } catch (error) {
        onError(path, error);
      }
    }
    return touched;
  }

  /** Damaged bytes of the file at a path; 0 where there is none. */
  async #bytesAt(filesystem: Filesystem, path: string, { device, ranges }: Place): Promise<number> {
    try {
      let id = filesystem.root;
      for (const part of path.slice(device.length + 2).split('/')) {
        const item = await filesystem.lookup(id, part);
        if (item === undefined) return 0;
        id = item.id;
      }
      return (await filesystem.stat(id)).type === 'file' ? await bytesOf(filesystem, id, ranges) : 0;
    } catch (error) {
      // What can't be looked up is looked for.
      if (isUmbraError(error, 'FILESYSTEM_DAMAGED', 'STORE_DAMAGED')) return 0;
      throw error;
    }
  }

  #note(touched: ReadonlyMap<string, number>, { name }: Place): void {
    for (const [path, bytes] of touched) {
      const known = this.#files.get(path);
      if (known === undefined) {
        if (this.#files.size < MOST_FILES) this.#files.set(path, { path, damagedBytes: bytes, shadowCopies: [name] });
      } else {
        known.damagedBytes = Math.max(known.damagedBytes, bytes);
        known.shadowCopies.push(name);
      }
    }
  }
}

interface Place {
  /** Of the shadow copy. */
  readonly name: string;
  readonly device: string;
  readonly ranges: DamagedVersion['ranges'];
  readonly damagedBytes: number;
}

async function bytesOf(filesystem: Filesystem, id: FileId, ranges: DamagedVersion['ranges']): Promise<number> {
  let bytes = 0;
  for await (const extent of filesystem.extents(id))
    if (extent.kind === 'stored') bytes += overlapOf(extent.locations, ranges);
  return bytes;
}

/** How many bytes of some places are damaged. */
function overlapOf(locations: readonly Location[], ranges: DamagedVersion['ranges']): number {
  let bytes = 0;
  for (const { volume, offset, length } of locations) {
    const damaged = volume === undefined ? undefined : ranges.get(volume);
    if (damaged === undefined) continue;
    for (let index = firstBehind(damaged, offset); index < damaged.length; index++) {
      const range = damaged[index];
      if (range === undefined || range.offset >= offset + length) break;
      bytes += Math.min(range.offset + range.length, offset + length) - Math.max(range.offset, offset);
    }
  }
  return bytes;
}

/** The first of the ranges, which are in order, that ends behind `offset`. */
function firstBehind(ranges: readonly ByteRange[], offset: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { offset: begin, length } = ranges[middle] ?? { offset: 0, length: 0 };
    if (begin + length <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
