import { isUmbraError, UmbraError } from '../common/errors.js';
import { withoutCheck } from './checked.js';
import { highWaterKey, storeKey } from './keys.js';
import type { KvReader } from './kv.js';

/** @param id of the store; a `meta` that has none is new. @throws {UmbraError} STORE_FOREIGN, STORE_DAMAGED */
export async function assertSameStore(meta: KvReader, id: string): Promise<void> {
  const value = await meta.get(storeKey);
  if (value === undefined) return;
  const found = withoutCheck(storeKey, value);
  if (found === undefined)
    throw new UmbraError('STORE_DAMAGED', "the index of the store is damaged: whose it is can't be read");
  if (found.toString() === id) return;
  throw new UmbraError('STORE_FOREIGN', 'the index of the store belongs to another store', {
    hint: 'Run "umbra rebuild": it makes the index again from the objects.',
  });
}

/** Above all sequence numbers that were ever used; 0 where nobody noted any. */
export async function readHighWater(meta: KvReader): Promise<number> {
  const value = await meta.get(highWaterKey);
  const bytes = value === undefined ? undefined : withoutCheck(highWaterKey, value);
  return bytes?.length === 8 ? Number(bytes.readBigUInt64BE()) : 0;
}

/** On a full disk what was found out is known to this process only, and found out again by the next. */
export function unlessFull(error: unknown): void {
  if (!isUmbraError(error, 'STORE_FULL')) throw error;
}
