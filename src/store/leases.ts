import { toHex } from '../codec/digest.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Catalog, Listing } from './catalog.js';

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

/** Whose leases, and of what. */
interface Leased {
  readonly catalog: Pick<Catalog, 'find'>;
  readonly leases: Pick<Leases, 'take'>;
}

/**
 * Lease what was listed a while ago. Looking whether it is still listed and leasing it are one instant: a collection keeps what is listed
 * when it begins, and may have taken the data of what was deleted or replaced before.
 * @param holder see {@link Leases.take}
 * @throws {UmbraError} NOT_FOUND if it is not listed any more
 */
export function leaseListed({ catalog, leases }: Leased, listing: Listing, holder?: string): () => void {
  const { machine, name } = listing;
  if (catalog.find(machine, name) !== listing) throw new UmbraError('NOT_FOUND', `${machine}@${name} was deleted`);
  return leases.take(listing, holder);
}

/** As {@link leaseListed} does, for whoever has others to look at. @returns undefined if it is not listed any more */
export function leaseUnlessDeleted(leased: Leased, listing: Listing): (() => void) | undefined {
  try {
    return leaseListed(leased, listing);
  } catch (error) {
    if (!isUmbraError(error, 'NOT_FOUND')) throw error;
    return undefined;
  }
}
