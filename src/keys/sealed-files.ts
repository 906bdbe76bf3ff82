import { randomBytes } from 'node:crypto';
import path from 'node:path';

import { CIPHERS, keyedHash, NONCE_BYTES, openAead, sealAead, TAG_BYTES, type CipherName } from '../codec/aead.js';
import { UmbraError } from '../common/errors.js';
import type { PrivateFiles } from '../system/private-files.js';

/** What the files beside a store's databases are sealed with. */
export interface FileKeys {
  /** New ones are sealed with this one; each file says which one it has. */
  readonly cipher: CipherName;
  /** 32 bytes. */
  readonly files: Uint8Array;
}

/** The first word of a sealed file. Its first line ends with the cipher; salt, ciphertext and tag follow in Base64. */
const MAGIC = 'umbra-sealed-1';
const SALT_BYTES = 24;
/** Each sealed text has a key of its own, so that there is nothing that a nonce would have to tell apart. */
const NONCE = Buffer.alloc(NONCE_BYTES);

/**
 * The private files of a store: sealed, if it is encrypted. The key of each is HMAC-SHA-256(file key, 24 random bytes), new at each writing, and
 * the associated data are its first line and its name below the store, so that none passes for another. One in plain, as versions before wrote it
 * or somebody puts it there, is taken, and sealed at once.
 * @param directory of the store
 * @param keys undefined for a store that is not encrypted
 * @param inner what is on the disk
 */
export function privateFilesOf(directory: string, keys: FileKeys | undefined, inner: PrivateFiles): PrivateFiles {
  const nameOf = (file: string): string => path.relative(directory, file);
  const write = async (file: string, text: string): Promise<void> => {
    await inner.write(file, keys === undefined ? text : seal(keys, nameOf(file), text));
  };
  const read = async (file: string): Promise<string | undefined> => {
    const found = await inner.read(file);
    if (found === undefined) return undefined;
    if (found.startsWith(`${MAGIC} `)) return open(keys, nameOf(file), found) ?? refuse(file, keys);
    if (keys !== undefined) await write(file, found);
    return found;
  };
  return { read, write };
}

function seal({ cipher, files }: FileKeys, name: string, plain: string): string {
  const salt = randomBytes(SALT_BYTES);
  const { text, tag } = sealAead(inputOf(cipher, files, salt, name), Buffer.from(plain));
  return `${MAGIC} ${cipher}\n${Buffer.concat([salt, text, tag]).toString('base64')}\n`;
}

/** @returns undefined for what is damaged, was changed, or is of another store or file */
function open(keys: FileKeys | undefined, name: string, sealed: string): string | undefined {
  const [first = '', base64 = ''] = sealed.split('\n');
  const cipher = CIPHERS.find((known) => first === `${MAGIC} ${known}`);
  const bytes = Buffer.from(base64, 'base64');
  if (keys === undefined || cipher === undefined || bytes.length < SALT_BYTES + TAG_BYTES) return undefined;
  const text = bytes.subarray(SALT_BYTES, bytes.length - TAG_BYTES);
  const input = inputOf(cipher, keys.files, bytes.subarray(0, SALT_BYTES), name);
  return openAead(input, text, bytes.subarray(bytes.length - TAG_BYTES))?.toString('utf8');
}

function inputOf(cipher: CipherName, key: Uint8Array, salt: Uint8Array, name: string): Parameters<typeof sealAead>[0] {
  const associated = Buffer.from(`${MAGIC} ${cipher}\n${name}`);
  return { cipher, key: keyedHash(key, salt), nonce: NONCE, associated };
}

function refuse(file: string, keys: FileKeys | undefined): never {
  const why = keys === undefined ? 'it is sealed, and the store is not encrypted' : 'its seal does not open';
  throw new UmbraError('STORE_DAMAGED', `${file} cannot be used: ${why}`, {
    hint: 'It is damaged, or of another store. Put it back from a copy; without one, move it away: what it held is made anew then.',
  });
}
