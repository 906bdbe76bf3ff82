import type { Location } from '../../mount/blocks/byte-source.js';
import type { Clock } from '../common/clock.js';
import type { Listing } from '../store/catalog.js';
import type { ReadableStore } from '../store/readable-store.js';
import type { ShadowCopyRecord } from '../store/records.js';
import { Footprint } from './footprint.js';
import type { GuestFiles } from './guest-files.js';
import type { Verdicts } from './verdicts.js';
import { VolumeLayout } from './volume-layout.js';

/** Opens the file systems of a shadow copy; `onRead` is told what is read of its volumes, whatever for. */
export type OpenGuestFiles = (listing: Listing, onRead: (location: Location) => void) => Promise<GuestFiles>;

/** What everything about files is done with. */
export interface FilesContext {
  readonly store: ReadableStore;
  readonly open: OpenGuestFiles;
  readonly verdicts: Verdicts;
  readonly clock: Clock;
}

/** A shadow copy whose files are looked at; it can't be forgotten until it is closed. */
export class OpenedVersion {
  readonly listing: Listing;
  /** `MACHINE@SHADOW-COPY` */
  readonly title: string;
  readonly record: ShadowCopyRecord;
  readonly layout: VolumeLayout;
  readonly files: GuestFiles;
  /** What finding the devices took. */
  readonly common: Footprint;
  readonly #devices: Map<string, Footprint>;
  readonly #attribute: (footprint: Footprint) => void;
  readonly #giveBack: () => void;

  private constructor(parts: {
    readonly listing: Listing;
    readonly record: ShadowCopyRecord;
    readonly layout: VolumeLayout;
    readonly files: GuestFiles;
    readonly common: Footprint;
    readonly attribute: (footprint: Footprint) => void;
    readonly giveBack: () => void;
  }) {
    this.listing = parts.listing;
    this.title = titleOf(parts.listing);
    this.record = parts.record;
    this.layout = parts.layout;
    this.files = parts.files;
    this.common = parts.common;
    this.#devices = new Map();
    this.#attribute = parts.attribute;
    this.#giveBack = parts.giveBack;
  }

  /**
   * @param what it is for, shown to who wants to forget it: `a copy to /srv`
   * @throws {UmbraError} NOT_FOUND, STORE_DAMAGED
   */
  static async open({ store, open }: FilesContext, listing: Listing, what: string): Promise<OpenedVersion> {
    // It may have been forgotten since it was listed.
    store.catalog.find(listing.machine, listing.name);
    const giveBack = await store.leases.take(listing, what);
    try {
      const record = await store.record(listing);
      const common = new Footprint();
      let current = common;
      const files = await open(listing, (location) => {
        current.add(location);
      });
      const attribute = (footprint: Footprint): void => {
        current = footprint;
      };
      const layout = new VolumeLayout(store.reader, record.volumes);
      return new OpenedVersion({ listing, record, layout, files, common, attribute, giveBack });
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /** What is read from now on is read for this device. */
  attributeTo(device: string): Footprint {
    let footprint = this.#devices.get(device);
    if (footprint === undefined) this.#devices.set(device, (footprint = new Footprint()));
    this.#attribute(footprint);
    return footprint;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.files.close();
    this.#giveBack();
  }
}

/** `MACHINE@SHADOW-COPY` */
export function titleOf({ machine, name }: Pick<Listing, 'machine' | 'name'>): string {
  return `${machine}@${name}`;
}

/** Do something with one shadow copy. */
export async function withVersion<T>(
  context: FilesContext,
  request: { readonly machine: string; readonly version: string },
  what: string,
  work: (version: OpenedVersion) => Promise<T>,
): Promise<T> {
  const listing = context.store.catalog.find(request.machine, request.version);
  const version = await OpenedVersion.open(context, listing, what);
  try {
    return await work(version);
  } finally {
    await version.close();
  }
}
