import { open } from 'node:fs/promises';
import path from 'node:path';

import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { encodeKeyring, MAX_KEYRING_BYTES, parseKeyring, type Keyring } from '../keys/keyring.js';
import { writeDurably } from '../system/durable-file.js';
import { exists } from './directories.js';

/** The keyring of a store, and the copy that goes with its objects: rebuilding needs nothing else. */
const FILE = 'keys';
const COPY = path.join('objects', 'umbra-keys');

/** A keyring as it was found. */
export interface FoundKeyring {
  readonly keyring: Keyring;
  /** Both files hold it. */
  readonly isComplete: boolean;
}

type Copy = Keyring | 'missing' | 'damaged';

/** True if there is a keyring, whatever is in it: the store is encrypted. @throws {UmbraError} STORE_FAILED */
export async function hasKeyring(directory: string): Promise<boolean> {
  return (await exists(path.join(directory, FILE))) || exists(path.join(directory, COPY));
}

/**
 * The newer one of both copies.
 * @param store the id of the store, where it is known
 * @throws {UmbraError} KEY_LOST if both are gone; KEY_DAMAGED if neither can be used; STORE_FAILED, STORE_NEWER
 */
export async function readKeyring(directory: string, store?: string): Promise<FoundKeyring> {
  const copies = [await readCopy(path.join(directory, FILE)), await readCopy(path.join(directory, COPY))] as const;
  const whole = copies.flatMap((copy) => (typeof copy === 'string' ? [] : [copy]));
  const own = whole.filter((keyring) => store === undefined || keyring.store === store);
  const generation = Math.max(...own.map((keyring) => keyring.generation));
  const [keyring, other] = own.filter((one) => one.generation === generation);
  if (keyring === undefined) throw noKeyring(directory, copies, whole.length > 0);
  const merged = other === undefined ? keyring : { ...keyring, slots: mergeSlots(keyring.slots, other.slots) };
  const isWhole = copies.every((copy) => typeof copy !== 'string' && encodeKeyring(copy) === encodeKeyring(merged));
  // What is damaged in both stays as it is: writing would take away what is left of it.
  return { keyring: merged, isComplete: isWhole || merged.slots.some(isDamaged) };
}

/**
 * Make a keyring the one that holds, durably: each file is as before or whole at any moment, and once the first is written it holds.
 * A copy that could not be written is written when the store is opened the next time.
 * @throws the system's errors
 */
export async function writeKeyring(directory: string, keyring: Keyring): Promise<void> {
  const text = encodeKeyring(keyring);
  await writeDurably(path.join(directory, FILE), text);
  const copy = path.join(directory, COPY);
  // In a new store the database makes the directory, and the copy is written when it has.
  if (await exists(path.dirname(copy))) await writeDurably(copy, text);
}

/** Write both copies again, if one of them is lost, old or damaged. On a full disk that waits for the next time. */
export async function mendKeyring(directory: string, store: string): Promise<void> {
  const { keyring, isComplete } = await readKeyring(directory, store);
  if (isComplete) return;
  try {
    await writeKeyring(directory, keyring);
  } catch (cause) {
    if (systemCode(cause) === 'ENOSPC') return;
    throw new UmbraError('STORE_FAILED', `the keys of the store cannot be written: ${messageOf(cause)}`, { cause });
  }
}

async function readCopy(file: string): Promise<Copy> {
  let text: string;
  try {
    const handle = await open(file, 'r');
    try {
      const bytes = Buffer.alloc(MAX_KEYRING_BYTES + 1);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      if (bytesRead > MAX_KEYRING_BYTES) return 'damaged';
      text = bytes.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    if (code === 'EIO') return 'damaged';
    throw new UmbraError('STORE_FAILED', `the keys of the store cannot be read: ${messageOf(cause)}`, { cause });
  }
  return parseKeyring(text) ?? 'damaged';
}

/** Each slot from the copy in which it is whole. */
function mergeSlots(slots: Keyring['slots'], others: Keyring['slots']): Keyring['slots'] {
  return slots.map((slot, index) => (isDamaged(slot) ? (others[index] ?? slot) : slot));
}

function isDamaged(slot: Keyring['slots'][number]): boolean {
  return 'isDamaged' in slot;
}

function noKeyring(directory: string, copies: readonly Copy[], isForeign: boolean): UmbraError {
  const hint = `Put the file "${FILE}" or "${COPY}" back from a copy: without it no key opens the store, and nobody can read it.`;
  if (isForeign)
    return new UmbraError('KEY_DAMAGED', `the wrapped keys in ${directory} are those of another store`, { hint });
  if (copies.includes('damaged'))
    return new UmbraError('KEY_DAMAGED', `the wrapped keys in ${directory} are damaged`, { hint });
  return new UmbraError('KEY_LOST', `the wrapped keys of the store ${directory} are gone`, { hint });
}
