import { Packr } from 'msgpackr';

import { xxh32 } from '../codec/xxhash.js';
import { UmbraError } from '../common/errors.js';

const CHECK_BYTES = 4;
const packr = new Packr({ useRecords: false, int64AsType: 'number', moreTypes: false });

/** `bytes` with the xxHash32 of key and bytes before them, since LevelDB checks nothing when it reads. */
export function withCheck(key: Uint8Array, bytes: Uint8Array): Buffer {
  const checked = Buffer.allocUnsafe(CHECK_BYTES + bytes.length);
  checked.set(bytes, CHECK_BYTES);
  checked.writeUInt32LE(xxh32(bytes, xxh32(key)));
  return checked;
}

/** What {@link withCheck} wrapped, or undefined if it is damaged. */
export function withoutCheck(key: Uint8Array, checked: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(checked.buffer, checked.byteOffset, checked.byteLength);
  if (bytes.length < CHECK_BYTES) return undefined;
  const content = bytes.subarray(CHECK_BYTES);
  return xxh32(content, xxh32(key)) === bytes.readUInt32LE() ? content : undefined;
}

/** A record with named fields as bytes. */
export function packRecord(record: object): Buffer {
  return packr.pack(record);
}

/**
 * The record in `bytes`; its fields are still to be looked at.
 * @throws {UmbraError} STORE_DAMAGED
 */
export function unpackRecord(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (cause) {
    throw new UmbraError('STORE_DAMAGED', `${what} cannot be decoded`, { cause });
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new UmbraError('STORE_DAMAGED', `${what} is not a record`);
  }
  return value as Record<string, unknown>;
}
