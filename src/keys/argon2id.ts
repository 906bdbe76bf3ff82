import { argon2idAsync } from '@noble/hashes/argon2.js';

/** How much work guessing a passphrase is; RFC 9106, section 4. */
export interface Argon2idCost {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

/** The second recommended option of RFC 9106: a server of 300 MB has no 2 GiB for the first. */
export const ARGON2ID_COST: Argon2idCost = { memoryKiB: 64 * 1024, passes: 3, lanes: 4 };

/** What a file may ask for: whoever wrote it must not take this machine's memory, or its hours. */
const MOST = { memoryKiB: 1024 * 1024, passes: 64, lanes: 64, work: 8 * 1024 * 1024 } as const;

/** True for a cost that {@link argon2id} takes. */
export function isArgon2idCost(cost: Readonly<Record<keyof Argon2idCost, unknown>>): cost is Argon2idCost {
  const { memoryKiB, passes, lanes } = cost;
  if (!isWhole(passes, MOST.passes) || !isWhole(lanes, MOST.lanes) || !isWhole(memoryKiB, MOST.memoryKiB)) return false;
  return memoryKiB >= 8 * lanes && memoryKiB * passes <= MOST.work;
}

/** Argon2id, version 1.3, of a passphrase: 32 bytes. It lets others work in between. */
export async function argon2id(passphrase: Uint8Array, salt: Uint8Array, cost: Argon2idCost): Promise<Buffer> {
  const { memoryKiB: m, passes: t, lanes: p } = cost;
  return Buffer.from(await argon2idAsync(passphrase, salt, { m, t, p, dkLen: 32, maxmem: 2 ** 31 }));
}

function isWhole(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most;
}
