import { UmbraError } from '../common/errors.js';
import type { Catalog, Listing } from './catalog.js';

export interface ForgetOptions {
  /** Refuse to delete the last shadow copy of a machine. Only where deletions come one after the other is known which that is. */
  readonly oneStays: boolean;
}

/** Deletes a shadow copy, or a replica; false if it was gone. */
export type Forget = (listing: Listing, options: ForgetOptions) => Promise<boolean>;

/** A replica is none that stays, and takes none away. @throws {UmbraError} LAST_SHADOW_COPY if all are `going` that a machine has */
export function assertOneStays(catalog: Pick<Catalog, 'shadowCopies'>, going: readonly Listing[]): void {
  const shadowCopies = going.filter(({ isReplica }) => isReplica !== true);
  for (const machine of new Set(shadowCopies.map((listing) => listing.machine)))
    if (catalog.shadowCopies(machine).every((listing) => going.includes(listing))) throw lastShadowCopyError(machine);
}

export function lastShadowCopyError(machine: string): UmbraError {
  return new UmbraError('LAST_SHADOW_COPY', `no shadow copy of "${machine}" would be left`, {
    hint: 'Give --force to delete the last one too.',
  });
}
