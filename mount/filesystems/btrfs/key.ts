import { KEY_BYTES } from './layout.js';
import { id64 } from './numbers.js';

/** The key of an item: an object, a kind of item, and a number whose meaning depends on that. Both numbers as by id64. */
export interface Key {
  readonly objectId: number;
  readonly type: number;
  readonly offset: number;
}

export function makeKey(objectId: number, type: number, offset: number): Key {
  return { objectId, type, offset };
}

/** The key that stands at `at`. */
export function readKey(bytes: Buffer, at: number): Key {
  return { objectId: id64(bytes, at), type: bytes[at + 8] ?? 0, offset: id64(bytes, at + 9) };
}

/** A key as it is compared: unsigned halves of its numbers. */
export class SearchKey {
  readonly #objectHigh: number;
  readonly #objectLow: number;
  readonly #type: number;
  readonly #offsetHigh: number;
  readonly #offsetLow: number;

  constructor({ objectId, type, offset }: Key) {
    this.#objectHigh = high(objectId);
    this.#objectLow = objectId >>> 0;
    this.#type = type;
    this.#offsetHigh = high(offset);
    this.#offsetLow = offset >>> 0;
  }

  /** Below 0 if the key at `at` comes before this one, 0 if it is this one, else above 0. */
  compareWith(bytes: Buffer, at: number): number {
    return (
      bytes.readUInt32LE(at + 4) - this.#objectHigh ||
      bytes.readUInt32LE(at) - this.#objectLow ||
      (bytes[at + 8] ?? 0) - this.#type ||
      bytes.readUInt32LE(at + 13) - this.#offsetHigh ||
      bytes.readUInt32LE(at + 9) - this.#offsetLow
    );
  }
}

/** The order of keys: both numbers count as unsigned. */
export function compareKeys(a: Key, b: Key): number {
  return compareIds(a.objectId, b.objectId) || a.type - b.type || compareIds(a.offset, b.offset);
}

/** The key just before another one. */
export function keyBefore({ objectId, type, offset }: Key): Key {
  if (offset !== 0) return { objectId, type, offset: offset - 1 };
  return type === 0 ? { objectId: objectId - 1, type: 255, offset: -1 } : { objectId, type: type - 1, offset: -1 };
}

/** The key just after another one. */
export function keyAfter({ objectId, type, offset }: Key): Key {
  if (offset !== -1) return { objectId, type, offset: offset + 1 };
  return type === 255 ? { objectId: objectId + 1, type: 0, offset: 0 } : { objectId, type: type + 1, offset: 0 };
}

/** Compare the keys that stand in two places. */
export function compareStored(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  return (
    a.readUInt32LE(aAt + 4) - b.readUInt32LE(bAt + 4) ||
    a.readUInt32LE(aAt) - b.readUInt32LE(bAt) ||
    (a[aAt + 8] ?? 0) - (b[bAt + 8] ?? 0) ||
    a.readUInt32LE(aAt + 13) - b.readUInt32LE(bAt + 13) ||
    a.readUInt32LE(aAt + 9) - b.readUInt32LE(bAt + 9)
  );
}

/** A copy of the bytes of the key at `at`, to compare with what comes later. */
export function keyBytes(bytes: Buffer, at: number): Buffer {
  return Buffer.from(bytes.subarray(at, at + KEY_BYTES));
}

function compareIds(a: number, b: number): number {
  // Negative numbers stand for those at the top.
  if (a < 0 !== b < 0) return a < 0 ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function high(value: number): number {
  return Math.floor(value / 2 ** 32) >>> 0;
}
