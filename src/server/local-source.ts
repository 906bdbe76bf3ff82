import type { ShadowCopySource, ShadowCopySummary, ShadowCopyView, VolumeReader } from '../../mount/source.js';
import { toHex } from '../codec/digest.js';
import { UmbraError } from '../common/errors.js';
import type { Share } from '../common/share-names.js';
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

  shadowCopies(machine: string): readonly ShadowCopySummary[] {
    return this.#store().catalog.shadowCopies(machine);
  }

  shares(): readonly Share[] {
    return this.#store().settings.shares;
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
      openVolume: attempt((name) => this.#openVolume(listing, record, name, `${name}.raw is open in a mount`)),
      lookInto: attempt((name) => this.#openVolume(listing, record, name)),
      keep: (holder) => this.#lease(listing, holder),
    };
  }

  #openVolume(listing: Listing, record: ShadowCopyRecord, name: string, holder?: string): VolumeReader {
    const volume = volumeOf(listing, record, name);
    return new TreeVolumeReader(this.#context(), volume, this.#lease(listing, holder));
  }

  /** The view may be older than a forget: only what is still listed is kept from collection. */
  #lease(listing: Listing, holder?: string): () => void {
    const { catalog, leases } = this.#store();
    const { machine, name } = listing;
    if (catalog.find(machine, name) !== listing) throw new UmbraError('NOT_FOUND', `${machine}@${name} was deleted`);
    return leases.take(listing, holder);
  }
}

/** What throws, as what rejects. */
function attempt<A, R>(work: (argument: A) => R): (argument: A) => Promise<R> {
  return (argument) => Promise.resolve(argument).then(work);
}

function volumeOf(listing: Listing, record: ShadowCopyRecord, name: string): ShadowCopyRecord['volumes'][number] {
  const volume = record.volumes.find((candidate) => candidate.name === name);
  if (volume !== undefined) return volume;
  throw new UmbraError('NOT_FOUND', `${listing.machine}@${listing.name} has no volume "${name}"`);
}

function aboutOf(listing: Listing, record: ShadowCopyRecord): Readonly<Record<string, unknown>> {
  return {
    ...shadowCopyInfo(record),
    record: toHex(listing.record),
    volumes: record.volumes.map(({ name, sizeBytes, dataBytes, root, source }) => ({
      name,
      sizeBytes,
      dataBytes,
      root: toHex(root),
      source: { path: source.path, format: source.format },
    })),
    config: record.config.map(({ name }) => name),
    notes: record.notes ?? [],
  };
}
