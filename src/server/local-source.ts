import type { ShadowCopySource, ShadowCopySummary, ShadowCopyView } from '../../mount/source.js';
import type { Share } from '../common/share-names.js';
import { ByteCache } from '../store/byte-cache.js';
import { leaseListed } from '../store/leases.js';
import type { Store } from '../store/store.js';
import { RegionCache } from '../tree/region-cache.js';
import { shadowCopyView } from '../tree/shadow-copy-view.js';
import type { ReadContext } from '../tree/volume-reader.js';
import type { WorkerPool } from '../workers/pool.js';

/** What mounts keep decoded, all together: regions read in sequence, and single chunks. */
const REGION_CACHE_BYTES = 32 * 1024 * 1024;
const CHUNK_CACHE_BYTES = 16 * 1024 * 1024;

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
    // The view may be older than a forget.
    const lease = (holder?: string): (() => void) => leaseListed(this.#store(), listing, holder);
    return shadowCopyView({ listing, record, context: this.#context, lease });
  }
}

/** One whose mounts share what they decode. Both are asked for each time. */
export function cachingSource(store: () => Store, pool: () => WorkerPool): LocalSource {
  const regions = new RegionCache({ reader: () => store().reader, pool, maxBytes: REGION_CACHE_BYTES });
  const chunks = new ByteCache<Uint8Array>(CHUNK_CACHE_BYTES);
  const reading: ReadContext['reading'] = new Map();
  return new LocalSource(store, () => ({ reader: store().reader, regions, chunks, reading }));
}
