import path from 'node:path';
import { sequenceOfObjectKey } from './keys.js';
import type { KvStore } from './kv.js';
import { checkTables, describeFault, isPoison } from './table-check.js';

/** The tables of a database; none where it has no files. @throws {UmbraError} STORE_FAILED */
export async function tablesOf(database: KvStore): Promise<string[]> {
  const tables = await database.tables?.();
  return tables === undefined ? [] : [...tables.names];
}

/** Those tables of `objects` that may hold objects from `from` up to but without `to`. @throws {UmbraError} STORE_FAILED */
export async function tablesOfObjects(objects: KvStore, from: number, to: number): Promise<string[]> {
  const tables = await objects.tables?.();
  if (tables === undefined) return [];
  return tables.names.filter((name) => {
    const range = tables.ranges.get(name);
    const first = range && sequenceOfObjectKey(range.first);
    const last = range && sequenceOfObjectKey(range.last);
    return first === undefined || last === undefined || (first < to && last >= from);
  });
}

/**
 * Check one table without LevelDB. In `meta` any damage counts; objects have checksums of their own, so of theirs only what LevelDB
 * must not read.
 * @returns what is damaged, and how many bytes were read
 * @throws {UmbraError} STORE_FAILED; what `signal` was aborted with
 */
export async function checkOneTable(
  database: KvStore,
  name: string,
  { isMeta, signal }: { readonly isMeta: boolean; readonly signal: AbortSignal },
): Promise<{ readonly damage: readonly { object: string; reason: string }[]; readonly bytes: number }> {
  const tables = await database.tables?.();
  if (tables === undefined) return { damage: [], bytes: 0 };
  let bytes = 0;
  const progress = (read: number): void => {
    bytes += read;
  };
  const found = await checkTables(tables.directory, { dataBlocks: true, signal, progress }, [name]);
  const damage = found
    .filter(({ kind }) => isMeta || isPoison(kind))
    .map((fault) => ({
      object: `${path.join(tables.directory, fault.table)}:${fault.offset}`,
      reason: describeFault(fault),
    }));
  return { damage, bytes };
}
