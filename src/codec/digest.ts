import { blake3 } from '@napi-rs/blake-hash';

import { DIGEST_BYTES } from './formats.js';

/** The name of an empty subtree: all zeros, never stored. */
export const EMPTY_DIGEST: Uint8Array = new Uint8Array(DIGEST_BYTES);

/** BLAKE3-256 of `bytes`: 32 bytes, the name of an object. */
export function digestOf(bytes: Uint8Array): Uint8Array {
  return blake3(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function isEmptyDigest(digest: Uint8Array): boolean {
  return sameBytes(digest, EMPTY_DIGEST);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
