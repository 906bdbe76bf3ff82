import type { Clock } from '../common/clock.js';
import type { VerifyRequest, VerifyResult } from '../protocol/api.js';
import type { Store } from '../store/store.js';
import { Verification } from '../store/verify.js';
import type { WorkerPool } from '../workers/pool.js';
import type { JobContext } from './job-context.js';
import { listingsOf } from './list-versions.js';

export interface VerifyStoreOptions extends JobContext {
  readonly store: Store;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly request: VerifyRequest;
}

/** Read a shadow copy, a machine or the whole store, and mend the settings' copy. @throws {UmbraError} NOT_FOUND, STORE_*, CANCELLED */
export async function verifyStore({
  store,
  pool,
  clock,
  request: { machine, version },
  ...context
}: VerifyStoreOptions): Promise<VerifyResult> {
  const start = clock.monotonic();
  const listings = listingsOf(store.catalog, machine, version);
  const verification = new Verification({ store, pool, listings, everything: machine === undefined, ...context });
  const result = await verification.run();
  await store.mendSettings();
  return { ...result, seconds: (clock.monotonic() - start) / 1000 };
}
