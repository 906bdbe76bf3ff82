import type { CipherName } from '../../src/codec/aead.js';
import { makeSecret, type Secret } from '../../src/keys/secret.js';
import { keysOf, type StoreKeys } from '../../src/keys/store-keys.js';
import { sealMeta } from '../../src/store/sealed-meta.js';
import { memoryDatabases, type Databases } from './test-store.js';

/** As little work as Argon2id can be. */
export const CHEAP = { memoryKiB: 8, passes: 1, lanes: 1 } as const;

/** Keys for tests; other ones for another `store`. */
export function testKeys(cipher: CipherName = 'aes-256-gcm', store = 'test'): StoreKeys {
  return keysOf(Buffer.alloc(40, 7), store, cipher);
}

/** Databases of an encrypted store, over `inner`, which is what is on the disk. */
export function sealedDatabases(inner: Databases = memoryDatabases(), keys = testKeys()): Databases {
  return { objects: inner.objects, meta: sealMeta(inner.meta, keys.meta), keys: keys.frames };
}

export function keyFile(fill: string): Secret {
  return makeSecret('key-file', Buffer.from(fill.repeat(40).slice(0, 40)), 'a test');
}

export function passphrase(text: string): Secret {
  return makeSecret('passphrase', Buffer.from(text), 'a test');
}

/** One of many key files. */
export function numberedKey(number: number): Secret {
  return keyFile(`${number}.`.padStart(40, 'k'));
}
