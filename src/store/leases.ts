import { toHex } from '../codec/digest.js';
import type { Listing } from './catalog.js';

interface Lease {
  readonly listing: Listing;
  /** Why the shadow copy can't be forgotten, in words; undefined when it can, and only its data must stay. */
  readonly holder: string | undefined;
}

/** Who is using which shadow copy. A collection keeps the data of all of them, listed or not. */
export class Leases {
  readonly #leases = new Set<Lease>();

  /**
   * @param holder shown to who wants to forget the shadow copy; without it, it may be forgotten, and its data stays
   * @returns gives the lease back; idempotent
   */
  take(listing: Listing, holder?: string): () => void {
    const lease: Lease = { listing, holder };
    this.#leases.add(lease);
    return () => {
      this.#leases.delete(lease);
    };
  }

  /** Who has the shadow copy open, or undefined. */
  holder(listing: Listing): string | undefined {
    const record = toHex(listing.record);
    for (const lease of this.#leases) {
      if (lease.holder !== undefined && toHex(lease.listing.record) === record) return lease.holder;
    }
    return undefined;
  }

  listings(): Listing[] {
    return [...this.#leases].map(({ listing }) => listing);
  }
}
