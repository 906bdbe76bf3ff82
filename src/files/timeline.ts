import type { Filesystem } from '../../mount/filesystems/filesystem.js';
import { isUmbraError, messageOf } from '../common/errors.js';
import type { Listing } from '../store/catalog.js';
import type { VolumeRecord } from '../store/records.js';
import { isRealDamage, type UnreadDevice } from './damage.js';
import { readable } from './file-location.js';
import type { Footprint } from './footprint.js';
import { OpenedVersion, type FilesContext } from './opened-version.js';
import { VolumeChanges } from './volume-changes.js';

/** A file system in one shadow copy, open. */
export interface DeviceVersion {
  readonly version: OpenedVersion;
  readonly filesystem: Filesystem;
  /** Everything that was looked at in it, contents of files that matter among it. */
  readonly footprint: Footprint;
}

/** What there is to say of one device in one shadow copy. */
export type TimelineStep = { readonly listing: Listing; readonly device: string } & (
  | {
      readonly state: 'opened';
      readonly current: DeviceVersion;
      /** As it was last before. */
      readonly previous: DeviceVersion | undefined;
      /** What changed since then; undefined when that was not in the shadow copy before. */
      readonly changes: VolumeChanges | undefined;
    }
  /** All that was looked at of it is certainly as it was in the step before. */
  | { readonly state: 'same' }
  /** There is no such device in it, or one that holds no files: swap space, nothing. */
  | { readonly state: 'absent' }
  | ({ readonly state: 'unreadable' } & UnreadDevice)
);

/** The last that is known of a device. */
interface Known {
  readonly version: OpenedVersion;
  readonly footprint: Footprint;
  /** What its file system keeps in memory; 0 if it is not open. */
  bytes: number;
  /** The volumes of the last shadow copy in which what was looked at is as in `version`. */
  asOf: readonly VolumeRecord[];
}

/** What the file systems that are kept open between two steps may take in memory together. */
const MAX_KEPT_BYTES = 32 * 1024 * 1024;
/** What a file system is taken to keep in memory when it doesn't say. */
const FILESYSTEM_BYTES = 512 * 1024;

export interface TimelineOptions {
  readonly machine: string;
  /** Only this device; all of them without it. */
  readonly device?: string;
  /** What it is for, shown to who wants to forget a shadow copy. */
  readonly what: string;
  readonly signal: AbortSignal;
}

/**
 * The file systems of a machine in one shadow copy after the other, the oldest first. It remembers, by 64 KiB, what was
 * read to look into a file system; where nothing of that has changed in the next shadow copy, which the volumes' trees
 * tell, there is nothing new, and it is not opened.
 *
 * A step's file systems are good until the next step is asked for. The shadow copy in which a device was opened last
 * stays open until the device is opened in another, or until {@link close}; its file system only as long as there is
 * room, and it is opened again when it is needed.
 */
export class Timeline {
  readonly #context: FilesContext;
  readonly #options: TimelineOptions;
  readonly #known = new Map<string, Known>();
  readonly #open = new Set<OpenedVersion>();
  #lastChanges: { readonly from: readonly VolumeRecord[]; readonly changes: VolumeChanges } | undefined;

  constructor(context: FilesContext, options: TimelineOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** @throws {UmbraError} STORE_FAILED, CANCELLED */
  async *steps(listings: readonly Listing[]): AsyncGenerator<TimelineStep> {
    for (const listing of listings) {
      this.#options.signal.throwIfAborted();
      yield* this.#stepsOf(listing);
      await this.#closeUnused();
    }
  }

  /** Close what is still open: the last that is known of each device, until then. Idempotent. */
  async close(): Promise<void> {
    for (const version of this.#open) await version.close();
    this.#open.clear();
  }

  async *#stepsOf(listing: Listing): AsyncGenerator<TimelineStep> {
    const version = await this.#openVersion(listing);
    if (typeof version === 'string') {
      for (const device of this.#devices([]))
        yield { listing, device, state: 'unreadable', reason: version, isDamaged: true };
      return;
    }
    if (version === undefined) return;
    this.#lastChanges = undefined;
    for (const device of this.#devices(version.files.names)) yield await this.#step(version, device);
  }

  /** Those that are asked for: what the shadow copy has, and what one before had. */
  #devices(names: readonly string[]): string[] {
    const { device } = this.#options;
    return device === undefined ? [...new Set([...names, ...this.#known.keys()])] : [device];
  }

  /** The shadow copy; why it can't be opened; undefined if it was forgotten meanwhile. */
  async #openVersion(listing: Listing): Promise<OpenedVersion | string | undefined> {
    try {
      const version = await OpenedVersion.open(this.#context, listing, this.#options.what);
      this.#open.add(version);
      return version;
    } catch (error) {
      if (isUmbraError(error, 'NOT_FOUND')) return undefined;
      if (isUmbraError(error, 'STORE_DAMAGED')) return messageOf(error);
      throw error;
    }
  }

  async #step(version: OpenedVersion, device: string): Promise<TimelineStep> {
    const { listing } = version;
    const known = this.#known.get(device);
    const changes = known === undefined ? undefined : await this.#changesSince(known.asOf, version);
    if (known !== undefined && changes !== undefined && isUntouched(known, changes)) {
      known.asOf = version.record.volumes;
      return { listing, device, state: 'same' };
    }
    const footprint = version.attributeTo(device);
    try {
      const isListed = version.files.names.includes(device);
      const guest = isListed ? await version.files.guest(device) : undefined;
      if (guest === undefined || guest.unreadable?.cause === 'no-files') {
        this.#known.delete(device);
        return { listing, device, state: 'absent' };
      }
      const current: DeviceVersion = { version, filesystem: readable(guest), footprint };
      const previous = known === undefined ? undefined : await reopen(known, device);
      this.#keep(device, current);
      const isNext = known !== undefined && known.asOf === known.version.record.volumes;
      return { listing, device, state: 'opened', current, previous, changes: isNext ? changes : undefined };
    } catch (error) {
      if (!isUmbraError(error, 'FILESYSTEM_UNREADABLE', 'FILESYSTEM_DAMAGED', 'STORE_DAMAGED')) throw error;
      return { listing, device, state: 'unreadable', reason: messageOf(error), isDamaged: isRealDamage(error) };
    }
  }

  /** Remember a device as it is now, and let go of the file systems that were opened before, if there are too many. */
  #keep(device: string, { version, filesystem, footprint }: DeviceVersion): void {
    const bytes = filesystem.memoryBytes ?? FILESYSTEM_BYTES;
    this.#known.get(device)?.version.files.release(device);
    this.#known.delete(device);
    let kept = 0;
    for (const [other, known] of [...this.#known].reverse()) {
      kept += known.bytes;
      if (kept <= MAX_KEPT_BYTES || known.bytes === 0) continue;
      known.version.files.release(other);
      known.bytes = 0;
    }
    this.#known.set(device, { version, footprint, bytes, asOf: version.record.volumes });
  }

  /** Undefined if a tree can't be read: then everything is looked at. */
  async #changesSince(from: readonly VolumeRecord[], version: OpenedVersion): Promise<VolumeChanges | undefined> {
    if (this.#lastChanges?.from === from) return this.#lastChanges.changes;
    try {
      const { reader } = this.#context.store;
      const changes = await VolumeChanges.between(reader, from, version.record.volumes, this.#options.signal);
      this.#lastChanges = { from, changes };
      return changes;
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      return undefined;
    }
  }

  async #closeUnused(): Promise<void> {
    const used = new Set([...this.#known.values()].map(({ version }) => version));
    for (const version of this.#open) {
      if (used.has(version)) continue;
      this.#open.delete(version);
      await version.close();
    }
  }
}

/** A device as it was last; undefined if it can't be opened any more. */
async function reopen({ version, footprint }: Known, device: string): Promise<DeviceVersion | undefined> {
  version.attributeTo(device);
  const filesystem = (await version.files.guest(device))?.filesystem;
  return filesystem === undefined ? undefined : { version, filesystem, footprint };
}

function isUntouched({ version, footprint }: Known, changes: VolumeChanges): boolean {
  if (changes.isResized) return false;
  return !version.common.isTouchedBy(changes) && !footprint.isTouchedBy(changes);
}
