import path from 'node:path';

import type { Progress } from '../protocol/api.js';
import type { KvStore } from './kv.js';
import type { Store } from './store.js';
import { checkTables, describeFault, isPoison, type TableDamage } from './table-check.js';
import type { Damage } from './verify-objects.js';

export interface TableCheckOptions {
  readonly store: Store;
  /** All of the objects' blocks, or only what leads to them. */
  readonly everything: boolean;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/**
 * Damage in the files of the databases for which they must not be read through LevelDB. That of objects alone is left to
 * whoever reads them, as they have checksums of their own.
 * @throws {UmbraError} STORE_FAILED; what `signal` was aborted with
 */
export async function findTableDamage({
  store,
  everything,
  signal,
  progress,
}: TableCheckOptions): Promise<readonly Damage[]> {
  const { meta, objects } = store.objectStore;
  let doneBytes = 0;
  const count = (bytes: number): void => {
    doneBytes += bytes;
    progress({ what: 'checking tables', doneBytes });
  };
  const inMeta = await damagesOf(meta, { dataBlocks: true, signal, progress: count });
  const inObjects = await damagesOf(objects, { dataBlocks: everything, signal, progress: count });
  return [...inMeta, ...inObjects.filter(({ kind }) => isPoison(kind))].map((damage) => ({
    kind: 'table',
    object: `${path.join(damage.directory, damage.table)}:${damage.offset}`,
    reason: describeFault(damage),
  }));
}

async function damagesOf(
  database: KvStore,
  options: Parameters<typeof checkTables>[1],
): Promise<(TableDamage & { readonly directory: string })[]> {
  const tables = await database.tables?.();
  if (tables === undefined) return [];
  const { directory, names } = tables;
  return (await checkTables(directory, options, names)).map((damage) => ({ ...damage, directory }));
}
