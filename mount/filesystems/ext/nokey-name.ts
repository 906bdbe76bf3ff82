import { createHash } from 'node:crypto';
import type { NameHash } from './hash.js';

/** How many bytes of a longer encrypted name are shown as they are. */
const PLAIN_BYTES = 149;
const HASH_BYTES = 8;
const DIGEST_BYTES = 32;

/** What is found of an encrypted name by the name that it is shown under. */
export interface NokeyName {
  readonly hash: NameHash;
  /** See {@link nokeyBytes}. */
  readonly bytes: Buffer;
}

/** What stands for an encrypted name: it itself, or its first part and a digest of the rest. */
export function nokeyBytes(name: Buffer): Buffer {
  if (name.length <= PLAIN_BYTES) return name;
  const digest = createHash('sha256').update(name.subarray(PLAIN_BYTES)).digest();
  return Buffer.concat([name.subarray(0, PLAIN_BYTES), digest]);
}

/** An encrypted name as the kernel shows it to who has no key (fs/crypto/fname.c, `struct fscrypt_nokey_name`). */
export function encodeNokey(name: Buffer, [hash, minor]: NameHash): string {
  const head = Buffer.alloc(HASH_BYTES);
  head.writeUInt32LE(hash, 0);
  head.writeUInt32LE(minor, 4);
  return Buffer.concat([head, nokeyBytes(name)]).toString('base64url');
}

/** The other way round; undefined for what is no such name. */
export function decodeNokey(shown: string): NokeyName | undefined {
  const all = Buffer.from(shown, 'base64url');
  const longest = HASH_BYTES + PLAIN_BYTES + DIGEST_BYTES;
  if (all.length <= HASH_BYTES || all.length > longest || all.toString('base64url') !== shown) return undefined;
  return { hash: [all.readUInt32LE(0), all.readUInt32LE(4)], bytes: all.subarray(HASH_BYTES) };
}

/** True if the bytes are all of the encrypted name. */
export function isWholeName({ bytes }: NokeyName): boolean {
  return bytes.length <= PLAIN_BYTES;
}
