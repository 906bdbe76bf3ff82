import { ObjectType } from '../codec/formats.js';
import type { StatsResult } from '../protocol/api.js';
import { formatVersionOf } from './format-record.js';
import { indexEntries, quarantined } from './object-index.js';
import type { Store } from './store.js';

/** Everything of {@link StatsResult} that is known inside the store. */
export async function storeStats(store: Store): Promise<Omit<StatsResult, 'store' | 'writeAmplification' | 'space'>> {
  const listings = [...store.catalog.all()];
  let volumes = 0;
  let logicalBytes = 0;
  let dataBytes = 0;
  for (const { summary } of await store.summaries(listings)) {
    for (const volume of summary.volumes) {
      volumes++;
      logicalBytes += volume.sizeBytes;
      dataBytes += volume.dataBytes;
    }
  }
  const replicas = await store.summaries(store.catalog.replicas());
  const replicaBytes = replicas
    .flatMap(({ summary }) => summary.volumes)
    .reduce((sum, volume) => sum + volume.dataBytes, 0);
  const { meta, objects } = store.objectStore;
  return {
    format: formatVersionOf(store.format),
    machines: store.catalog.machines().length,
    shadowCopies: listings.length,
    replicas: replicas.length,
    replicaBytes,
    volumes,
    logicalBytes,
    dataBytes,
    ...(await objectStats(store)),
    diskBytes: (await meta.diskBytes()) + (await objects.diskBytes()),
    damagedObjects: await countQuarantined(store),
  };
}

interface ObjectStats {
  uniqueBytes: number;
  storedBytes: number;
  chunks: number;
  nodes: number;
}

async function objectStats(store: Store): Promise<ObjectStats> {
  const stats: ObjectStats = { uniqueBytes: 0, storedBytes: 0, chunks: 0, nodes: 0 };
  for await (const { entry } of indexEntries(store.objectStore.meta)) {
    if (entry === undefined) continue;
    stats.storedBytes += entry.storedBytes;
    if (entry.type === ObjectType.chunk) {
      stats.chunks++;
      stats.uniqueBytes += entry.plainBytes;
    } else if (entry.type === ObjectType.leaf || entry.type === ObjectType.inner) {
      stats.nodes++;
    }
  }
  return stats;
}

async function countQuarantined(store: Store): Promise<number> {
  let count = 0;
  for await (const entry of quarantined(store.objectStore.meta)) count += entry.digest.length > 0 ? 1 : 0;
  return count;
}
