import { open, rename, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import { UmbraError } from '../common/errors.js';
import { makeDirectories } from '../system/make-directory.js';
import { syncDirectory } from '../system/sync-directory.js';
import { levelError } from './level-errors.js';
import {
  type BlockHandle,
  emptyBlock,
  FOOTER_BYTES,
  readFooter,
  TRAILER_BYTES,
  withRightCompression,
} from './table-blocks.js';
import { checkTables, type TableDamage } from './table-check.js';
import { readBlock, type ScanOptions } from './table-scan.js';
import { asideOf } from './table-salvage.js';

/**
 * Make the tables of a database that nobody has open such that LevelDB can read them: a block whose keys are damaged is
 * replaced by an empty one, a damaged filter is given up, a table with a damaged index is set aside.
 * @returns how many blocks are lost, those of an earlier attempt among them
 * @throws {UmbraError} STORE_FAILED, STORE_FULL; and what the options' signal was aborted with
 */
export async function mendTables(directory: string, options: Omit<ScanOptions, 'dataBlocks'>): Promise<number> {
  let lost = 0;
  const aside = new Set<string>();
  for (const damage of await checkTables(directory, { ...options, dataBlocks: true })) {
    try {
      if (damage.kind === 'index') aside.add(damage.table);
      else if (damage.kind === 'lost') lost++;
      else lost += await mendTable(path.join(directory, damage.table), damage);
    } catch (error) {
      throw levelError(error, 'write', path.join(directory, damage.table));
    }
  }
  for (const table of aside) await setAside(directory, table);
  return lost;
}

/** @returns how many blocks are lost */
async function mendTable(file: string, { kind, offset, bytes }: TableDamage): Promise<number> {
  if (kind !== 'keys' && kind !== 'filter') return 0;
  const handle = await open(file, 'r+');
  try {
    const at = kind === 'keys' ? { offset, bytes: bytes - TRAILER_BYTES } : await metaindexOf(handle);
    // Without its metaindex a table has no filter, and LevelDB looks into the blocks instead.
    const whole = kind === 'keys' ? withRightCompression(await readBlock(handle, at)) : undefined;
    const block = whole ?? emptyBlock(at.bytes + TRAILER_BYTES);
    await handle.write(block, 0, block.length, at.offset);
    await handle.sync();
    return kind === 'keys' && whole === undefined ? 1 : 0;
  } finally {
    await handle.close();
  }
}

/** Of a table whose footer was found right. */
async function metaindexOf(handle: FileHandle): Promise<BlockHandle> {
  const { size } = await handle.stat();
  const footer = Buffer.alloc(FOOTER_BYTES);
  await handle.read(footer, 0, FOOTER_BYTES, size - FOOTER_BYTES);
  const read = readFooter(footer, size);
  if (read === undefined || read === 'damaged') throw new UmbraError('STORE_DAMAGED', 'the table has lost its footer');
  return read.metaindex;
}

async function setAside(directory: string, table: string): Promise<void> {
  const aside = asideOf(directory);
  try {
    await makeDirectories(aside);
    await rename(path.join(directory, table), path.join(aside, table));
    for (const changed of [aside, directory]) await syncDirectory(changed);
  } catch (error) {
    throw levelError(error, 'write', directory);
  }
}
