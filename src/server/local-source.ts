import type { ShadowCopySource, ShadowCopySummary, ShadowCopyView, VolumeReader } from '../../mount/source.js';
import { toHex } from '../codec/digest.js';
import { UmbraError } from '../common/errors.js';
import { shadowCopyInfo, type ShadowCopyRecord } from '../store/records.js';
import type { Listing } from '../store/catalog.js';
import type { Store } from '../store/store.js';
import { TreeVolumeReader, type ReadContext } from '../tree/volume-reader.js';

/** What mounts of this process show: a store that may be rebuilt under them, so it is asked for each time. */
export class LocalSource implements ShadowCopySource {
  readonly #store: () => Store;
  readonly #context: () => ReadContext;

  constructor(store: () => Store, context: () => ReadContext) {
    this.#store = store;
    this.#context = context;
  }

  machines(): Promise<readonly string[]> {
    return Promise.resolve(this.#store().catalog.machines());
  }

  shadowCopies(machine: string): Promise<readonly ShadowCopySummary[]> {
    return Promise.resolve(this.#store().catalog.shadowCopies(machine));
  }

  async open(machine: string, shadowCopy: string): Promise<ShadowCopyView> {
    const store = this.#store();
    const listing = store.catalog.find(machine, shadowCopy);
    const record = await store.record(listing);
    return {
      timeMs: record.timeMs,
      about: aboutOf(listing, record),
      config: record.config,
      volumes: record.volumes.map(({ name, sizeBytes, dataBytes }) => ({ name, sizeBytes, dataBytes })),
      openVolume: (name) => Promise.resolve().then(() => this.#openVolume(listing, record, name)),
    };
  }

  #openVolume(listing: Listing, record: ShadowCopyRecord, name: string): VolumeReader {
    const store = this.#store();
    const { machine } = listing;
    const volume = record.volumes.find((candidate) => candidate.name === name);
    if (volume === undefined) throw new UmbraError('NOT_FOUND', `${machine}@${listing.name} has no volume "${name}"`);
    // The view may be older than a forget: only what is still listed is kept from collection.
    if (store.catalog.find(machine, listing.name) !== listing) {
      throw new UmbraError('NOT_FOUND', `${machine}@${listing.name} was deleted`);
    }
    const giveBack = store.leases.take(listing, `${name}.raw is open in a mount`);
    return new TreeVolumeReader(this.#context(), volume, giveBack);
  }
}

function aboutOf(listing: Listing, record: ShadowCopyRecord): Readonly<Record<string, unknown>> {
  return {
    ...shadowCopyInfo(record),
    record: toHex(listing.record),
    tracker: record.tracker,
    pauseMs: record.pauseMs,
    volumes: record.volumes.map(({ name, sizeBytes, dataBytes, root, source }) => ({
      name,
      sizeBytes,
      dataBytes,
      root: toHex(root),
      source: { path: source.path, format: source.format },
    })),
    config: record.config.map(({ name }) => name),
  };
}
