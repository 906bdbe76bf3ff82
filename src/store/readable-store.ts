import type { Eventually } from '../common/eventually.js';
import type { Catalog, Listing } from './catalog.js';
import type { ObjectReader } from './object-reader.js';
import type { ShadowCopyRecord } from './records.js';

/** What reading shadow copies takes: a store of this machine ({@link Store}), or one behind a server elsewhere. */
export interface ReadableStore {
  /** Which shadow copies are listed. */
  readonly catalog: Pick<Catalog, 'all' | 'find' | 'machines' | 'shadowCopies'>;
  readonly leases: {
    /**
     * Keep a shadow copy's data from collection until the function that is returned is called; idempotent.
     * @param holder shown to who wants to forget the shadow copy; without it, it may be forgotten
     * @throws {UmbraError} NOT_FOUND, SERVER_UNREACHABLE, where the store is elsewhere
     */
    take(listing: Listing, holder?: string): Eventually<() => void>;
  };
  readonly reader: ObjectReader;
  /** @throws {UmbraError} STORE_DAMAGED */
  record(listing: Listing): Promise<ShadowCopyRecord>;
}
