import type { ShadowCopySource, ShadowCopySummary, ShadowCopyView } from '../../mount/source.js';
import type { Share } from '../common/share-names.js';
import { leaseListed } from '../store/leases.js';
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
    // The view may be older than a forget.
    const lease = (holder?: string): (() => void) => leaseListed(this.#store(), listing, holder);
    return shadowCopyView({ listing, record, context: this.#context, lease });
  }
}
