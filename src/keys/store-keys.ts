import { hkdfSync, randomBytes } from 'node:crypto';

import { KEY_BYTES, type CipherName } from '../codec/aead.js';
import type { FrameKeys } from '../codec/frame-seal.js';
import { UmbraError } from '../common/errors.js';
import type { FileKeys } from './sealed-files.js';

/** What all slots of a keyring wrap: 32 bytes of master key, and 8 of the seed for cutting. */
const SEED_BYTES = 8;
const PAYLOAD_BYTES = KEY_BYTES + SEED_BYTES;

/** All keys of an encrypted store, out of its master key. */
export interface StoreKeys {
  readonly frames: FrameKeys;
  /** For values of `meta`; names are as in frames. */
  readonly meta: { readonly cipher: CipherName; readonly values: Uint8Array; readonly names: Uint8Array };
  /** For the files beside the databases. */
  readonly files: FileKeys;
  /** Where the store cuts is as secret as its content: who knows it can tell by lengths which file is there. */
  readonly seed: bigint;
}

/** A new master key, with a seed. */
export function newPayload(seed: bigint): Buffer {
  const payload = randomBytes(PAYLOAD_BYTES);
  payload.writeBigUInt64BE(seed, KEY_BYTES);
  return payload;
}

/**
 * The keys of a store: HKDF-SHA-256 of the master key, with the store's id as salt, so that two uses never share one.
 * @throws {UmbraError} KEY_DAMAGED for a payload of another length
 */
export function keysOf(payload: Uint8Array, store: string, cipher: CipherName): StoreKeys {
  if (payload.length !== PAYLOAD_BYTES) throw new UmbraError('KEY_DAMAGED', 'what the key opens is no key of a store');
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const derive = (use: string): Buffer =>
    Buffer.from(hkdfSync('sha256', bytes.subarray(0, KEY_BYTES), store, `umbra ${use} 1`, KEY_BYTES));
  const names = derive('names');
  return {
    frames: { cipher, data: derive('frames'), names },
    meta: { cipher, values: derive('meta'), names },
    files: { cipher, files: derive('files') },
    seed: bytes.readBigUInt64BE(KEY_BYTES),
  };
}
