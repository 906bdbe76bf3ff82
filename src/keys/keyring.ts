import { UmbraError } from '../common/errors.js';
import { kindsFor, type Secret } from './secret.js';
import { encodeSlot, parseSlot, unwrapSlot, wrapSlot, type DamagedSlot, type Slot, type WrapOptions } from './slot.js';

/** The file `keys` of an encrypted store: who can open it. Nothing in it is secret without one of the secrets. */
export interface Keyring {
  /** Id of the store. */
  readonly store: string;
  /** Counts changes: of two copies the higher one holds. */
  readonly generation: number;
  readonly slots: readonly (Slot | DamagedSlot)[];
}

const VERSION = 1;
const PRODUCT = 'umbra keys';
/** Each slot may cost an Argon2id. */
export const MAX_SLOTS = 16;
/** A file that is longer is none. */
export const MAX_KEYRING_BYTES = 64 * 1024;

export function encodeKeyring({ store, generation, slots }: Keyring): string {
  const encoded = slots.flatMap((slot) => ('isDamaged' in slot ? [] : [encodeSlot(slot)]));
  return `${JSON.stringify({ product: PRODUCT, version: VERSION, store, generation, slots: encoded }, undefined, 2)}\n`;
}

/**
 * @returns undefined if it is damaged so that nothing can be made of it
 * @throws {UmbraError} STORE_NEWER
 */
export function parseKeyring(text: string): Keyring | undefined {
  const fields = parseJson(text);
  const { product, version, store, generation, slots } = fields;
  if (product !== PRODUCT) return undefined;
  if (typeof version === 'number' && version > VERSION) {
    throw new UmbraError('STORE_NEWER', `the keys of the store were written by a newer Umbra (version ${version})`, {
      hint: 'Install the version of Umbra that wrote them.',
    });
  }
  if (version !== VERSION || typeof store !== 'string' || !Array.isArray(slots)) return undefined;
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation)) return undefined;
  return { store, generation, slots: slots.slice(0, MAX_SLOTS).map(parseSlot) };
}

/** What {@link openKeyring} found. */
export interface OpenedKeyring {
  /** What all slots wrap. */
  readonly payload: Buffer;
  /** The slot that the secret opened. */
  readonly slot: Slot;
}

/**
 * Open a keyring.
 * @throws {UmbraError} KEY_WRONG; KEY_DAMAGED if the slot of the secret may be one that is damaged
 */
export async function openKeyring({ store, slots }: Keyring, secret: Secret): Promise<OpenedKeyring> {
  const kinds = kindsFor(secret);
  const whole = slots.flatMap((slot) => ('isDamaged' in slot ? [] : [slot]));
  // Keys first: trying one costs nothing.
  const candidates = kinds.flatMap((kind) => whole.filter((slot) => slot.kind === kind));
  for (const slot of candidates) {
    const payload = await unwrapSlot(slot, store, secret);
    if (payload !== undefined) return { payload, slot };
  }
  const damaged = slots.filter((slot) => 'isDamaged' in slot);
  if (damaged.length > 0) throw damagedSlots(damaged.length, candidates.length);
  if (candidates.length === 0) throw noSlot(secret, whole);
  throw new UmbraError('KEY_WRONG', `${nameOf(secret)} does not open the store`, {
    hint: `It has ${describe(whole)}; give the one that belongs to one of them. Without it nobody can read the store.`,
  });
}

/** @throws {UmbraError} BAD_ARGUMENT if there are too many, or for a secret that is too short */
export async function addSlot(
  keyring: Keyring,
  payload: Uint8Array,
  options: Omit<WrapOptions, 'store'>,
): Promise<{ readonly keyring: Keyring; readonly slot: Slot }> {
  if (keyring.slots.length >= MAX_SLOTS) {
    throw new UmbraError('BAD_ARGUMENT', `the store has ${MAX_SLOTS} keys, and can't have more`, {
      hint: 'Remove one with "umbra key remove".',
    });
  }
  const slot = await wrapSlot(payload, { ...options, store: keyring.store });
  return { slot, keyring: changed(keyring, [...keyring.slots, slot]) };
}

/** @throws {UmbraError} NOT_FOUND for a key that the store does not have */
export function assertSlot({ slots }: Keyring, id: string): void {
  if (slots.some((slot) => slot.id === id)) return;
  throw new UmbraError('NOT_FOUND', `the store has no key "${id}"`, { hint: 'Run "umbra key show" to see its keys.' });
}

/** @throws {UmbraError} NOT_FOUND; BAD_ARGUMENT for the last one that is whole */
export function removeSlot(keyring: Keyring, id: string): Keyring {
  assertSlot(keyring, id);
  const left = keyring.slots.filter((slot) => slot.id !== id);
  if (left.every((slot) => 'isDamaged' in slot)) {
    throw new UmbraError('BAD_ARGUMENT', `the key "${id}" is the last one of the store`, {
      hint: 'Add another with "umbra key add" before: without any the store is lost.',
    });
  }
  return changed(keyring, left);
}

function changed({ store, generation }: Keyring, slots: Keyring['slots']): Keyring {
  return { store, generation: generation + 1, slots };
}

function damagedSlots(damaged: number, tried: number): UmbraError {
  const others = tried === 0 ? '' : `, and the ${tried === 1 ? 'other one is' : `other ${tried} are`} not for this one`;
  const what = damaged === 1 ? 'a wrapped key of the store is' : `${damaged} wrapped keys of the store are`;
  return new UmbraError('KEY_DAMAGED', `${what} damaged${others}`, {
    hint: 'Put the files "keys" and "objects/umbra-keys" of the store back from a copy, or give another of its keys.',
  });
}

function noSlot(secret: Secret, slots: readonly Slot[]): UmbraError {
  return new UmbraError('KEY_WRONG', `the store takes no ${secret.source === 'key-file' ? 'key file' : 'passphrase'}`, {
    hint: `It has ${describe(slots)}.`,
  });
}

function nameOf({ source }: Secret): string {
  if (source === 'key-file') return 'the key file';
  return source === 'passphrase' ? 'the passphrase' : 'what the key command says';
}

function describe(slots: readonly Slot[]): string {
  const keys = slots.filter(({ kind }) => kind === 'key').length;
  const phrases = slots.length - keys;
  const parts = [
    ...(keys === 0 ? [] : [keys === 1 ? 'one key file' : `${keys} key files`]),
    ...(phrases === 0 ? [] : [phrases === 1 ? 'one passphrase' : `${phrases} passphrases`]),
  ];
  return parts.length === 0 ? 'no keys' : parts.join(' and ');
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}
