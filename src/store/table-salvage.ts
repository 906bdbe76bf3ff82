import { open, rename } from 'node:fs/promises';
import path from 'node:path';

import type { KvOperation, KvWriter } from './kv.js';
import { levelError } from './level-errors.js';
import {
  type BlockEntry,
  isDeletion,
  isIntact,
  readEntry,
  readHandle,
  TRAILER_BYTES,
  userKey,
} from './table-blocks.js';
import { tablesIn } from './table-check.js';
import { FILTER_KEY } from './table-filter.js';

const BATCH_BYTES = 4 * 1024 * 1024;
/** Far above the size at which LevelDB begins a new table; what is larger is not read into memory. */
const MOST_TABLE_BYTES = 512 * 1024 * 1024;
/** Every so many entries, LevelDB writes a key whole and notes where. */
const RESTART_INTERVAL = 16;
const WORD_BYTES = 4;

/** Where tables of a database are put that LevelDB must not read; its own repair puts them there too. */
export function asideOf(directory: string): string {
  return path.join(directory, 'lost');
}

/**
 * Put into a database what can be read of its tables that were set aside.
 * @returns how many parts of them are lost, at least
 * @throws {UmbraError} STORE_FAILED, STORE_FULL, STORE_DAMAGED
 */
export async function salvageTables(directory: string, database: KvWriter, signal: AbortSignal): Promise<number> {
  const aside = asideOf(directory);
  let lost = 0;
  for (const table of await tablesIn(aside)) {
    signal.throwIfAborted();
    const file = path.join(aside, table);
    try {
      const bytes = await readTable(file);
      const end = await putBlocks(bytes, database);
      if (!isEndOfData(bytes, end)) lost++;
    } catch (error) {
      throw levelError(error, 'read', file);
    }
  }
  return lost;
}

/**
 * Keep the tables that were set aside under other names, so that they are not read again: call it when all else is done,
 * since a second attempt must find them, and what is lost with them.
 * @throws {UmbraError} STORE_FAILED
 */
export async function retireSalvaged(directory: string): Promise<void> {
  const aside = asideOf(directory);
  for (const table of await tablesIn(aside)) {
    const file = path.join(aside, table);
    try {
      await rename(file, `${file}.read`);
    } catch (error) {
      throw levelError(error, 'write', file);
    }
  }
}

/** Empty if it is too large. */
async function readTable(file: string): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    return size > MOST_TABLE_BYTES ? Buffer.alloc(0) : await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** @returns where the last block ends that could be read */
async function putBlocks(bytes: Buffer, database: KvWriter): Promise<number> {
  let batch: KvOperation[] = [];
  let batchBytes = 0;
  let end = 0;
  let previous: Buffer | undefined;
  for (const block of intactBlocks(bytes)) {
    for (const { key: internalKey, value } of block.entries) {
      const key = userKey(internalKey);
      // The first of several entries of a key is the newest.
      if (previous?.equals(key) !== true)
        batch.push(isDeletion(internalKey) ? { type: 'del', key } : { type: 'put', key, value });
      previous = key;
      batchBytes += key.length + value.length;
    }
    end = block.end;
    if (batchBytes < BATCH_BYTES) continue;
    await database.write(batch, { sync: true });
    batch = [];
    batchBytes = 0;
  }
  await database.write(batch, { sync: true });
  return end;
}

interface FoundBlock {
  readonly entries: readonly BlockEntry[];
  readonly end: number;
}

/** The data blocks of a table, as far as they stand one behind the other with right checksums: no index is needed. */
function* intactBlocks(bytes: Buffer): Generator<FoundBlock> {
  for (let block = blockAt(bytes, 0); block !== undefined; block = blockAt(bytes, block.end)) yield block;
}

/** Only blocks that are not compressed: of others nobody knows where they end. */
function blockAt(bytes: Buffer, begin: number): FoundBlock | undefined {
  const entries: BlockEntry[] = [];
  const restarts: number[] = [];
  let at = begin;
  let entry: BlockEntry | undefined;
  do {
    if (entries.length % RESTART_INTERVAL === 0) restarts.push(at - begin);
    entry = readEntry(bytes, at, bytes.length, entry?.key ?? Buffer.alloc(0));
    if (entry === undefined) return undefined;
    entries.push(entry);
    at = entry.next;
  } while (!isEndOfEntries(bytes, at, begin, restarts));
  return { entries, end: blockEndBehind(at, restarts) };
}

function isEndOfEntries(bytes: Buffer, at: number, begin: number, restarts: readonly number[]): boolean {
  const end = blockEndBehind(at, restarts);
  if (end > bytes.length || bytes.readUInt32LE(at + WORD_BYTES * restarts.length) !== restarts.length) return false;
  return isIntact(bytes.subarray(begin, end));
}

function blockEndBehind(entriesEnd: number, restarts: readonly number[]): number {
  return entriesEnd + WORD_BYTES * (restarts.length + 1) + TRAILER_BYTES;
}

/** True if it is certain that the data blocks end there: the metaindex says that the filter begins there, or there is no filter. */
function isEndOfData(bytes: Buffer, end: number): boolean {
  const emptyMetaindex = bytes.subarray(end, end + 2 * WORD_BYTES + TRAILER_BYTES);
  if (emptyMetaindex.length > TRAILER_BYTES && isIntact(emptyMetaindex)) return true;
  const key = bytes.lastIndexOf(FILTER_KEY, undefined, 'latin1');
  // Three lengths of one byte each stand before the key.
  const entry = key < end + 3 ? undefined : readEntry(bytes, key - 3, bytes.length, Buffer.alloc(0));
  return entry !== undefined && readHandle(entry.value)?.offset === end;
}
