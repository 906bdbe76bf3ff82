import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A new id of 16 hex digits. */
export function newId(): string {
  return randomBytes(8).toString('hex');
}

/** 256 random bits, as base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** The SHA-256 of a secret in hex: it is as long as a key, so nothing slower is needed to keep it from being guessed. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** True if `secret` is the one whose hash was kept; takes as long wherever the two differ. */
export function isSecret(secret: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(secret), 'hex'), Buffer.from(hash, 'hex'));
}
