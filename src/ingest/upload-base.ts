import { isUmbraError } from '../common/errors.js';
import type { BeginFrame } from '../protocol/ingest.js';
import type { ShadowCopyRecord } from '../store/records.js';
import type { Store } from '../store/store.js';

/** The shadow copy that an upload is based on. */
export interface UploadBase {
  readonly record: ShadowCopyRecord;
  readonly giveBack: () => void;
}

/** The shadow copy that an upload is based on, kept from collection; undefined if it is gone or can't be read. */
export async function openBase(store: Store, { machine, base }: BeginFrame): Promise<UploadBase | undefined> {
  const listing = store.catalog.shadowCopies(machine).find(({ name }) => name === base);
  if (listing === undefined) return undefined;
  const giveBack = store.leases.take(listing);
  try {
    return { record: await store.record(listing), giveBack };
  } catch (error) {
    giveBack();
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}
