import { DIGEST_BYTES, MetaPrefix, type ObjectType } from '../codec/formats.js';

/** The key of an object in `objects`: its sequence number, 8 bytes big-endian, so that keys come in ingest order. */
export function objectKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeBigUInt64BE(BigInt(sequence));
  return key;
}

export function sequenceOfObjectKey(key: Uint8Array): number {
  return Number(Buffer.from(key.buffer, key.byteOffset, key.byteLength).readBigUInt64BE());
}

/** `d` type digest. */
export function digestKey(type: ObjectType, digest: Uint8Array): Buffer {
  return typedKey(MetaPrefix.digest, type, digest);
}

/** `q` type digest. */
export function quarantineKey(type: ObjectType, digest: Uint8Array): Buffer {
  return typedKey(MetaPrefix.quarantine, type, digest);
}

/** `s` sequence number. */
export function sequenceKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = MetaPrefix.sequence;
  key.writeBigUInt64BE(BigInt(sequence), 1);
  return key;
}

export function sequenceOfKey(key: Uint8Array): number {
  return Number(Buffer.from(key.buffer, key.byteOffset, key.byteLength).readBigUInt64BE(1));
}

/** `c` machine NUL shadow copy; names hold no NUL. */
export function catalogKey(machine: string, shadowCopy: string): Buffer {
  return Buffer.from(`${String.fromCharCode(MetaPrefix.catalog)}${machine}\0${shadowCopy}`, 'latin1');
}

export const highWaterKey: Buffer = Buffer.of(MetaPrefix.highWater);
export const storeKey: Buffer = Buffer.of(MetaPrefix.store);

/** All keys that begin with one of the prefixes of {@link MetaPrefix}. */
export function prefixRange(prefix: number): { readonly gte: Buffer; readonly lt: Buffer } {
  return { gte: Buffer.of(prefix), lt: Buffer.of(prefix + 1) };
}

function typedKey(prefix: number, type: ObjectType, digest: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(2 + DIGEST_BYTES);
  key[0] = prefix;
  key[1] = type;
  key.set(digest, 2);
  return key;
}
