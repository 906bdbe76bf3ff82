import { FrameSeal } from '../codec/frame-seal.js';
import { UmbraError } from '../common/errors.js';
import { newPayload, keysOf, type StoreKeys } from '../keys/store-keys.js';
import { addSlot, openKeyring, type Keyring } from '../keys/keyring.js';
import type { Secret } from '../keys/secret.js';
import type { EncryptionOptions, FormatRecord } from './format-record.js';
import { hasKeyring, readKeyring } from './keyring-files.js';
import type { KvStore } from './kv.js';
import { sealMeta } from './sealed-meta.js';

/** Says what opens an encrypted store; undefined where nobody knows. @throws {UmbraError} KEY_UNREADABLE */
export type AskSecret = () => Promise<Secret | undefined>;

/** An encrypted store that was opened with one of its keys. */
export interface Unlocked {
  /** What the slots wrap. */
  readonly payload: Buffer;
  /** The id of the slot that opened it. */
  readonly slot: string;
  readonly keys: StoreKeys;
}

/**
 * Open the keyring of a store.
 * @param format without it (its file is lost) what is sealed says by itself how
 * @returns undefined for a store that is not encrypted
 * @throws {UmbraError} KEY_MISSING, KEY_WRONG, KEY_LOST, KEY_DAMAGED, KEY_UNREADABLE
 */
export async function unlock(
  directory: string,
  format: FormatRecord | undefined,
  ask: AskSecret | undefined,
): Promise<Unlocked | undefined> {
  if (format === undefined ? !(await hasKeyring(directory)) : format.encryption === undefined) return undefined;
  const { keyring } = await readKeyring(directory, format?.id);
  const secret = await ask?.();
  if (secret === undefined) throw keyMissing(directory);
  const { payload, slot } = await openKeyring(keyring, secret);
  return { payload, slot: slot.id, keys: keysOf(payload, keyring.store, format?.encryption?.cipher ?? 'aes-256-gcm') };
}

/** The keyring of a new store, with one slot. @throws {UmbraError} BAD_ARGUMENT for a secret that is too short */
export async function newKeyring(
  format: FormatRecord,
  { secret, cost }: EncryptionOptions,
  nowMs: number,
): Promise<Keyring> {
  const empty: Keyring = { store: format.id, generation: 0, slots: [] };
  return (await addSlot(empty, newPayload(format.cutting.seed), { secret, nowMs, cost })).keyring;
}

/** What the record says when the store is open: where it cuts only the keys tell. */
export function unlockedFormat(format: FormatRecord, unlocked: Unlocked | undefined): FormatRecord {
  if (unlocked === undefined) return format;
  return { ...format, cutting: { ...format.cutting, seed: unlocked.keys.seed } };
}

export function sealOf(unlocked: Unlocked | undefined): FrameSeal | undefined {
  return unlocked === undefined ? undefined : new FrameSeal(unlocked.keys.frames);
}

/** `meta` as the store uses it. */
export function metaOf(meta: KvStore, unlocked: Unlocked | undefined): KvStore {
  return unlocked === undefined ? meta : sealMeta(meta, unlocked.keys.meta);
}

function keyMissing(directory: string): UmbraError {
  return new UmbraError('KEY_MISSING', `the store ${directory} is encrypted, and no key was given`, {
    hint: 'Set $UMBRA_KEY_FILE, $UMBRA_PASSPHRASE_FILE or $UMBRA_KEY_COMMAND, or run the command on a terminal to be asked.',
  });
}
