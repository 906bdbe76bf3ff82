import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

/** The ciphers that a store may be encrypted with; both are AEADs with keys of 32 bytes, nonces of 12 and tags of 16. */
export const CIPHERS = ['aes-256-gcm', 'chacha20-poly1305'] as const;

export type CipherName = (typeof CIPHERS)[number];

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

const TAG = { authTagLength: TAG_BYTES } as const;

/** What takes part in sealing. */
export interface AeadInput {
  readonly cipher: CipherName;
  /** 32 bytes. With one key no nonce is ever used twice. */
  readonly key: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  /** Is not encrypted, and must be the same when it is opened. */
  readonly associated: Uint8Array;
}

/** Encrypt `plain`. @returns the ciphertext, as long as `plain`, and the tag */
export function sealAead(
  { cipher, key, nonce, associated }: AeadInput,
  plain: Uint8Array,
): { readonly text: Buffer; readonly tag: Buffer } {
  const sealing =
    cipher === 'aes-256-gcm' ? createCipheriv(cipher, key, nonce, TAG) : createCipheriv(cipher, key, nonce, TAG);
  sealing.setAAD(associated, { plaintextLength: plain.length });
  const text = sealing.update(plain);
  sealing.final();
  return { text, tag: sealing.getAuthTag() };
}

/** Decrypt what {@link sealAead} made. @returns undefined if key, nonce, associated data, text or tag is another */
export function openAead(
  { cipher, key, nonce, associated }: AeadInput,
  text: Uint8Array,
  tag: Uint8Array,
): Buffer | undefined {
  const opening =
    cipher === 'aes-256-gcm' ? createDecipheriv(cipher, key, nonce, TAG) : createDecipheriv(cipher, key, nonce, TAG);
  opening.setAAD(associated, { plaintextLength: text.length });
  opening.setAuthTag(tag);
  const plain = opening.update(text);
  try {
    opening.final();
  } catch {
    return undefined;
  }
  return plain;
}

/** HMAC-SHA-256: a key for one use out of a key for many, or a keyed name. @returns 32 bytes */
export function keyedHash(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}
