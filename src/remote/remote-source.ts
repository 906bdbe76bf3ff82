import type { ShadowCopySource, ShadowCopySummary, ShadowCopyView } from '../../mount/source.js';
import { after, type Eventually } from '../common/eventually.js';
import type { Share } from '../common/share-names.js';
import { shadowCopyView } from '../tree/shadow-copy-view.js';
import type { ReadContext } from '../tree/volume-reader.js';
import type { RemoteStore } from './remote-store.js';

/** What a mount shows of a server elsewhere. */
export class RemoteSource implements ShadowCopySource {
  readonly #store: RemoteStore;
  readonly #context: ReadContext;

  constructor(store: RemoteStore, context: ReadContext) {
    this.#store = store;
    this.#context = context;
  }

  async machines(): Promise<readonly string[]> {
    await this.#store.fresh();
    return this.#store.catalog.machines();
  }

  shadowCopies(machine: string): Eventually<readonly ShadowCopySummary[]> {
    return after(this.#store.fresh(), () => this.#store.catalog.shadowCopies(machine));
  }

  /** As of the last time that anything was listed. */
  shares(): readonly Share[] {
    return this.#store.shares;
  }

  async open(machine: string, shadowCopy: string): Promise<ShadowCopyView> {
    const listing = this.#store.catalog.find(machine, shadowCopy);
    const record = await this.#store.record(listing);
    const lease = (holder?: string): Eventually<() => void> => this.#store.leases.take(listing, holder);
    return shadowCopyView({ listing, record, context: () => this.#context, lease });
  }
}
