import { isUmbraError } from '../common/errors.js';
import type { BeginFrame } from '../protocol/ingest.js';
import type { JobKind } from '../protocol/jobs-api.js';
import type { Listing } from '../store/listing.js';
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
async function openBase(store: Store, { machine, base, volumes }: BeginFrame): Promise<UploadBase | undefined> {
  const replica = store.catalog.replica(machine);
  const all = [...store.catalog.shadowCopies(machine), ...(replica === undefined ? [] : [replica])];
  const listing = all.find(({ name }) => name === base);
  if (listing === undefined) return undefined;
  return await leased(store, listing, async (record, giveBack) => {
    const reread = new Map<string, Reread>();
    for (const volume of record.volumes) {
      const isBuiltOn = volumes.some(({ name, rest }) => name === volume.name && rest === 'base');
      if (isBuiltOn) reread.set(volume.name, await store.objectStore.survey.regionsToReread(volume));
    }
    return { record, reread, giveBack };
  });
}

/** A machine's newest shadow copy, with which it is compared what changed. */
interface Newest {
  readonly record: ShadowCopyRecord;
  readonly giveBack: () => void;
}

/** Kept from collection, as the base; a replica is compared with nothing. */
async function openNewest(store: Store, machine: string, kind: JobKind): Promise<Newest | undefined> {
  const latest = store.catalog.latest(machine);
  if (latest === undefined || kind === 'replicate') return undefined;
  return await leased(store, latest, (record, giveBack) => Promise.resolve({ record, giveBack }));
}

/** Undefined if its record can't be read. */
async function leased<T>(
  store: Store,
  listing: Listing,
  open: (record: ShadowCopyRecord, giveBack: () => void) => Promise<T>,
): Promise<T | undefined> {
  const giveBack = store.leases.take(listing);
  try {
    return await open(await store.record(listing), giveBack);
  } catch (error) {
    giveBack();
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}

/** What an upload is built on, and what it is compared with. */
export interface Bases {
  readonly base: UploadBase | undefined;
  readonly newest: ShadowCopyRecord | undefined;
  readonly giveBack: () => void;
}

/** Both, or neither is kept. */
export async function openBases(store: Store, begin: BeginFrame, kind: JobKind): Promise<Bases> {
  const base = await openBase(store, begin);
  try {
    const newest = await openNewest(store, begin.machine, kind);
    const giveBack = (): void => {
      base?.giveBack();
      newest?.giveBack();
    };
    return { base, newest: newest?.record, giveBack };
  } catch (error) {
    base?.giveBack();
    throw error;
  }
}
