import { createHash, hkdfSync, randomBytes } from 'node:crypto';

import { KEY_BYTES, NONCE_BYTES, openAead, sealAead, TAG_BYTES } from '../codec/aead.js';
import { argon2id, ARGON2ID_COST, isArgon2idCost, type Argon2idCost } from './argon2id.js';
import { slotKindOf, type Secret, type SlotKind } from './secret.js';

/** A way to open a store: its master key, wrapped with a key that comes from a secret. */
export interface Slot {
  /** 8 hex digits. */
  readonly id: string;
  readonly kind: SlotKind;
  readonly createdMs: number;
  /** What its owner calls it. */
  readonly label?: string;
  /** 32 bytes in hex. */
  readonly salt: string;
  /** For a passphrase. */
  readonly argon2id?: Argon2idCost;
  /** 12 bytes in hex. */
  readonly nonce: string;
  /** Ciphertext and tag in hex. */
  readonly wrapped: string;
}

/** A slot of a file that is damaged; its id is what is left of it. */
export interface DamagedSlot {
  readonly id: string;
  readonly isDamaged: true;
}

export interface WrapOptions {
  /** Id of the store. */
  readonly store: string;
  readonly secret: Secret;
  readonly nowMs: number;
  readonly label?: string | undefined;
  /** {@link ARGON2ID_COST} without it. */
  readonly cost?: Argon2idCost | undefined;
}

const WRAP_CIPHER = 'aes-256-gcm';
const KEK_INFO = 'umbra key slot 1';

/** Wrap a payload. @throws {UmbraError} BAD_ARGUMENT for a secret that is too short */
export async function wrapSlot(payload: Uint8Array, options: WrapOptions): Promise<Slot> {
  const { store, secret, nowMs, label, cost = ARGON2ID_COST } = options;
  const kind = slotKindOf(secret);
  const head = {
    id: randomBytes(4).toString('hex'),
    kind,
    createdMs: nowMs,
    ...(label === undefined ? {} : { label }),
    salt: randomBytes(32).toString('hex'),
    ...(kind === 'passphrase' ? { argon2id: cost } : {}),
    nonce: randomBytes(NONCE_BYTES).toString('hex'),
  };
  const { text, tag } = sealAead(await wrapInput(store, head, secret), payload);
  return { ...head, wrapped: Buffer.concat([text, tag]).toString('hex') };
}

/** @returns undefined if the secret is not the slot's */
export async function unwrapSlot(slot: Slot, store: string, secret: Secret): Promise<Buffer | undefined> {
  const sealed = Buffer.from(slot.wrapped, 'hex');
  const end = sealed.length - TAG_BYTES;
  return openAead(await wrapInput(store, slot, secret), sealed.subarray(0, end), sealed.subarray(end));
}

async function wrapInput(
  store: string,
  slot: Omit<Slot, 'wrapped'>,
  secret: Secret,
): Promise<Parameters<typeof sealAead>[0]> {
  const salt = Buffer.from(slot.salt, 'hex');
  const { argon2id: cost } = slot;
  const material = cost === undefined ? secret.bytes : await argon2id(secret.bytes, salt, cost);
  const key = Buffer.from(hkdfSync('sha256', material, salt, KEK_INFO, KEY_BYTES));
  const nonce = Buffer.from(slot.nonce, 'hex');
  return { cipher: WRAP_CIPHER, key, nonce, associated: Buffer.from(JSON.stringify([store, ...headOf(slot)])) };
}

/** A slot as it stands in the file: with a checksum, so that damage is told from a wrong secret. */
export function encodeSlot(slot: Slot): Slot & { readonly check: string } {
  return { ...slot, check: checkOf(slot) };
}

/** A slot of a file that anybody may have written. */
export function parseSlot(value: unknown): Slot | DamagedSlot {
  const fields = Object(value) as Readonly<Record<string, unknown>>;
  const { id, kind, createdMs, label, salt, nonce, wrapped, check } = fields;
  const cost = parseCost(fields['argon2id']);
  const damaged = { id: isHex(id, 4, 4) ? id : '?', isDamaged: true } as const;
  if (!isHex(id, 4, 4) || !isHex(salt, 32, 32) || !isHex(nonce, NONCE_BYTES, NONCE_BYTES)) return damaged;
  if (!isHex(wrapped, TAG_BYTES, 256) || typeof createdMs !== 'number' || cost === 'wrong') return damaged;
  if (label !== undefined && typeof label !== 'string') return damaged;
  const wanted = cost === undefined ? 'key' : 'passphrase';
  if (kind !== wanted) return damaged;
  const slot: Slot = {
    id,
    kind: wanted,
    createdMs,
    ...(label === undefined ? {} : { label }),
    salt,
    ...(cost === undefined ? {} : { argon2id: cost }),
    nonce,
    wrapped,
  };
  return check === checkOf(slot) ? slot : damaged;
}

function parseCost(value: unknown): Argon2idCost | undefined | 'wrong' {
  if (value === undefined) return undefined;
  const { memoryKiB, passes, lanes } = Object(value) as Readonly<Record<string, unknown>>;
  const cost = { memoryKiB, passes, lanes };
  return isArgon2idCost(cost) ? cost : 'wrong';
}

/** What of a slot is bound to its wrapped key, in order. */
function headOf({ id, kind, createdMs, label, salt, argon2id: cost, nonce }: Omit<Slot, 'wrapped'>): unknown[] {
  const work = cost === undefined ? null : [cost.memoryKiB, cost.passes, cost.lanes];
  return [id, kind, createdMs, label ?? null, salt, work, nonce];
}

function checkOf(slot: Slot): string {
  const text = JSON.stringify([...headOf(slot), slot.wrapped]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function isHex(value: unknown, least: number, most: number): value is string {
  if (typeof value !== 'string' || !/^([0-9a-f]{2})+$/.test(value)) return false;
  return value.length >= least * 2 && value.length <= most * 2;
}
