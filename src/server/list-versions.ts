import type { ShadowCopyInfo } from '../protocol/api.js';
import type { Catalog, Listing } from '../store/catalog.js';
import { shadowCopyInfo } from '../store/records.js';
import type { Store } from '../store/store.js';

/** The shadow copies, of all machines or of one, in the order in which they were made. @throws {UmbraError} NOT_FOUND, STORE_* */
export async function listShadowCopies(store: Store, machine: string | undefined): Promise<readonly ShadowCopyInfo[]> {
  const { catalog } = store;
  assertKnown(catalog, machine);
  return await infosOf(store, machine === undefined ? [...catalog.all()] : catalog.shadowCopies(machine));
}

/** The replicas that are newer than the shadow copies of their machines. @throws {UmbraError} NOT_FOUND, STORE_* */
export async function listReplicas(store: Store, machine: string | undefined): Promise<readonly ShadowCopyInfo[]> {
  const { catalog } = store;
  assertKnown(catalog, machine);
  return await infosOf(
    store,
    catalog.replicas().filter((replica) => (machine ?? replica.machine) === replica.machine),
  );
}

/** Everything, all of one machine with the newest first, or one version. @throws {UmbraError} NOT_FOUND */
export function listingsOf(
  catalog: Catalog,
  machine: string | undefined,
  version: string | undefined,
): readonly Listing[] {
  if (machine === undefined) return [...catalog.all(), ...catalog.replicas()];
  const newest = catalog.find(machine, version ?? 'replica');
  return version === undefined
    ? [newest, ...catalog.shadowCopies(machine).filter((listing) => listing !== newest)]
    : [newest];
}

function assertKnown(catalog: Catalog, machine: string | undefined): void {
  if (machine !== undefined) catalog.find(machine, 'replica');
}

async function infosOf(store: Store, listings: readonly Listing[]): Promise<readonly ShadowCopyInfo[]> {
  const summaries = await store.summaries(listings);
  return summaries.map(({ listing, summary }) => {
    const isHeld = listing.isReplica !== true && store.changes.isHeld(listing);
    return shadowCopyInfo({ ...listing, ...summary, isHeld });
  });
}
