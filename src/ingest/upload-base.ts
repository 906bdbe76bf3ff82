import { isUmbraError } from '../common/errors.js';
import type { BeginFrame } from '../protocol/ingest.js';
import type { ShadowCopyRecord } from '../store/records.js';
import type { Reread } from './rest.js';
import type { Store } from '../store/store.js';

/** The shadow copy or replica that an upload is based on. */
export interface UploadBase {
  readonly record: ShadowCopyRecord;
  /** What of its volumes, by name, is damaged, for those that an upload wants to build on. */
  readonly reread: ReadonlyMap<string, Reread>;
  readonly giveBack: () => void;
}

/** What an upload is based on, kept from collection; undefined if it is gone or can't be read. */
export async function openBase(store: Store, { machine, base, volumes }: BeginFrame): Promise<UploadBase | undefined> {
  const replica = store.catalog.replica(machine);
  const all = [...store.catalog.shadowCopies(machine), ...(replica === undefined ? [] : [replica])];
  const listing = all.find(({ name }) => name === base);
  if (listing === undefined) return undefined;
  const giveBack = store.leases.take(listing);
  try {
    const record = await store.record(listing);
    const reread = new Map<string, Reread>();
    for (const volume of record.volumes) {
      const isBuiltOn = volumes.some(({ name, rest }) => name === volume.name && rest === 'base');
      if (isBuiltOn) reread.set(volume.name, await store.objectStore.survey.regionsToReread(volume));
    }
    return { record, reread, giveBack };
  } catch (error) {
    giveBack();
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}
