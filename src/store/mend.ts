import { ObjectType } from '../codec/formats.js';
import { decodeBody, FrameError, readFrameHeader } from '../codec/frame.js';
import { openStored, type FrameSeal } from '../codec/frame-seal.js';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import { parseFormatRecord, readFormatFile, writeFormatFile, type FormatRecord } from './format-record.js';
import type { KvReader, KvStore } from './kv.js';
import { NodeLevel } from './level-database.js';
import { openLevelKv } from './level-kv.js';

/**
 * Open the objects of a store that is to be rebuilt. LevelDB's own repair keeps every table and log that can be read;
 * it runs only when opening, or walking all keys, says that it must.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function openObjectsRepairing(directory: string): Promise<KvStore> {
  const options = { profile: 'bulk', createIfMissing: false, errorIfExists: false } as const;
  try {
    const objects = await openLevelKv(directory, options);
    if (await isReadable(objects)) return objects;
    await objects.close();
  } catch (cause) {
    if (isUmbraError(cause, 'STORE_NOT_FOUND')) {
      throw new UmbraError('STORE_DAMAGED', 'the store has lost its objects', {
        hint: 'Put the directory "objects" back from a copy.',
        cause,
      });
    }
    if (!isUmbraError(cause, 'STORE_DAMAGED')) throw cause;
  }
  try {
    await NodeLevel.repair(directory);
  } catch (cause) {
    throw new UmbraError('STORE_DAMAGED', `the objects of the store cannot be repaired: ${messageOf(cause)}`, {
      cause,
    });
  }
  return openLevelKv(directory, options);
}

/**
 * The format record of a store; if its file is lost or damaged, it is made again from the copy among the objects.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function recoverFormat(directory: string, objects: KvReader, seal?: FrameSeal): Promise<FormatRecord> {
  try {
    const format = await readFormatFile(directory);
    if (format !== undefined) return format;
  } catch (error) {
    if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
  }
  for await (const [, frame] of objects.entries()) {
    const copy = settingsIn(frame, seal);
    if (copy === undefined) continue;
    const recovered = parseFormatRecord(copy, `the copy of the format record in ${directory}`);
    await writeFormatFile(directory, recovered);
    return recovered;
  }
  throw new UmbraError('STORE_DAMAGED', `no copy of the format record is left in ${directory}`);
}

/** True if all keys can be walked; values are looked at one by one later. */
async function isReadable(objects: KvStore): Promise<boolean> {
  try {
    let keys = 0;
    for await (const key of objects.keys()) keys += key.length > 0 ? 1 : 0;
    return keys >= 0;
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return false;
    throw error;
  }
}

function settingsIn(stored: Uint8Array, seal: FrameSeal | undefined): string | undefined {
  try {
    const frame = openStored(stored, seal);
    const header = readFrameHeader(frame);
    return header.type === ObjectType.settings ? decodeBody(frame, header).toString() : undefined;
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
}
