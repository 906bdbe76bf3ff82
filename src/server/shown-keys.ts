import type { KeysResult } from '../protocol/keys-api.js';
import type { FormatRecord } from '../store/format-record.js';
import type { StoreKeyring } from '../store/store-keyring.js';

/** How a store is encrypted, and its keys, as they are shown. @throws {UmbraError} KEY_LOST, KEY_DAMAGED, STORE_FAILED */
export async function shownKeys({ encryption, cutting }: FormatRecord, keyring: StoreKeyring): Promise<KeysResult> {
  const keys = await keyring.list();
  return { cipher: encryption?.cipher ?? '', seed: cutting.seed.toString(16).padStart(16, '0'), keys };
}
