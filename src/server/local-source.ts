import type { ShadowCopySource, ShadowCopySummary, ShadowCopyView } from '../../mount/source.js';
import { UmbraError } from '../common/errors.js';
import type { Share } from '../common/share-names.js';
import type { Listing } from '../store/catalog.js';
import type { Store } from '../store/store.js';
import { shadowCopyView } from '../tree/shadow-copy-view.js';
import type { ReadContext } from '../tree/volume-reader.js';

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
    const lease = (holder?: string): (() => void) => this.#lease(listing, holder);
    return shadowCopyView({ listing, record, context: this.#context, lease });
  }

  /** The view may be older than a forget: only what is still listed is kept from collection. */
  #lease(listing: Listing, holder?: string): () => void {
    const { catalog, leases } = this.#store();
    const { machine, name } = listing;
    if (catalog.find(machine, name) !== listing) throw new UmbraError('NOT_FOUND', `${machine}@${name} was deleted`);
    return leases.take(listing, holder);
  }
}
