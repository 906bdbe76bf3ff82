import type { ShadowCopySource } from '../../mount/source.js';
import type { Clock } from '../common/clock.js';
import { ByteCache } from '../store/byte-cache.js';
import { RegionCache } from '../tree/region-cache.js';
import { WorkerPool } from '../workers/pool.js';
import { RemoteSource } from './remote-source.js';
import { RemoteStore, type RemoteStoreOptions } from './remote-store.js';

/** What is kept decoded, as in the server of a store. */
const REGION_CACHE_BYTES = 32 * 1024 * 1024;
const CHUNK_CACHE_BYTES = 16 * 1024 * 1024;
/** The threads only decode, for which it does not matter how chunks are cut. */
const ANY_CUTTING = { seed: 0n, zeroBits: 0, window: 7, maxBlocks: 64 };

/** Everything that reading the shadow copies of a server elsewhere takes. */
export interface Reading {
  readonly store: RemoteStore;
  readonly source: ShadowCopySource;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly close: () => Promise<void>;
}

/** @throws {UmbraError} SERVER_UNREACHABLE, UNAUTHENTICATED, FORBIDDEN, SERVER_UNKNOWN */
export async function openReading(options: RemoteStoreOptions): Promise<Reading> {
  const store = await RemoteStore.open(options);
  const pool = new WorkerPool({ cutting: ANY_CUTTING });
  const regions = new RegionCache({ reader: () => store.reader, pool: () => pool, maxBytes: REGION_CACHE_BYTES });
  const chunks = new ByteCache<Uint8Array>(CHUNK_CACHE_BYTES);
  const source = new RemoteSource(store, { reader: store.reader, regions, chunks, reading: new Map() });
  return {
    store,
    source,
    pool,
    clock: options.clock,
    close: async () => {
      store.close();
      await pool.close();
    },
  };
}
