import { open, readdir, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import { systemCode, UmbraError } from '../common/errors.js';
import { levelError } from './level-errors.js';
import { wasInUse } from './table-manifest.js';
import { scanTable, type FaultKind, type ScanOptions, type TableFault } from './table-scan.js';

/** A place in a table file that is damaged. */
export interface TableDamage extends TableFault {
  /** The file's name, without its directory. */
  readonly table: string;
}

const TABLE = /^\d+\.ldb$/;

const WORDS: Readonly<Record<FaultKind, string>> = {
  values: 'a block is damaged',
  keys: 'the keys of a block are damaged',
  lost: 'a block was damaged and is empty',
  filter: 'the filter of its keys is damaged',
  index: 'the index of its blocks is damaged',
  footer: 'its end is missing or damaged',
};

/**
 * Check the tables of a database, without LevelDB. Tables that vanish meanwhile were compacted and are left out.
 * @param names of tables; without it, all that are in the directory (nobody may have the database open then)
 * @throws {UmbraError} STORE_FAILED, STORE_FULL; and what the options' signal was aborted with
 */
export async function checkTables(
  directory: string,
  options: ScanOptions,
  names?: readonly string[],
): Promise<TableDamage[]> {
  const damages: TableDamage[] = [];
  for (const table of names ?? (await tablesIn(directory))) {
    for (const fault of await checkTable(path.join(directory, table), options)) damages.push({ ...fault, table });
  }
  return damages;
}

/**
 * Check the tables of both databases before LevelDB reads them, in a store that nobody has open. In `meta` any damage is
 * too much, since it is made again; what LevelDB itself reports, or objects tell by their own checksums, is no matter here.
 * @throws {UmbraError} STORE_DAMAGED, STORE_FAILED
 */
export async function refuseDamagedTables(paths: { readonly meta: string; readonly objects: string }): Promise<void> {
  for (const directory of [paths.meta, paths.objects]) {
    const worst = await firstInUse(
      directory,
      (await checkTables(directory, { dataBlocks: true })).filter(
        ({ kind }) => isPoison(kind) || (kind === 'values' && directory === paths.meta),
      ),
    );
    if (worst === undefined) continue;
    throw new UmbraError('STORE_DAMAGED', `${path.join(directory, worst.table)} is damaged: ${describeFault(worst)}`, {
      hint: 'Run "umbra rebuild": it makes the index and the catalog again, and keeps every object that can be read.',
    });
  }
}

/** True for damage over which LevelDB can end the process, or take what is there for absent. */
export function isPoison(kind: FaultKind): boolean {
  return kind === 'keys' || kind === 'filter' || kind === 'index';
}

/** What is damaged, and where in its file. */
export function describeFault({ kind, offset, bytes }: TableFault): string {
  return `${WORDS[kind]} (${bytes} bytes at offset ${offset})`;
}

/** The names of a database's tables, in no order that matters; none where there is no database. */
export async function tablesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => TABLE.test(name)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw levelError(error, 'read', directory);
  }
}

async function firstInUse(directory: string, damages: readonly TableDamage[]): Promise<TableDamage | undefined> {
  for (const damage of damages) if (await wasInUse(directory, damage.table)) return damage;
  return undefined;
}

async function checkTable(file: string, options: ScanOptions): Promise<TableFault[]> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    return await scanTable(handle, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (systemCode(error) === 'ENOENT') return [];
    throw levelError(error, 'read', file);
  } finally {
    await handle?.close();
  }
}
