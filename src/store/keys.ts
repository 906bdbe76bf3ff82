import { toHex } from '../codec/digest.js';
import { DIGEST_BYTES, MetaPrefix, type ObjectType } from '../codec/formats.js';

/** Sequence numbers stay far below this; a key that holds a higher one is damaged, and must not drive up the next. */
export const SEQUENCE_LIMIT = 2 ** 48;

/** The key of an object in `objects`: its sequence number, 8 bytes big-endian, so that keys come in ingest order. */
export function objectKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeBigUInt64BE(BigInt(sequence));
  return key;
}

/** All keys in `objects` that can be right. */
export const objectRange: { readonly gte: Buffer; readonly lt: Buffer } = {
  gte: objectKey(0),
  lt: objectKey(SEQUENCE_LIMIT),
};

/** The sequence number in a key of `objects`, or undefined if the key is damaged: LevelDB checks nothing when it reads. */
export function sequenceOfObjectKey(key: Uint8Array): number | undefined {
  return sequenceAt(key, 0);
}

/** An object's name as a string, for maps and sets. */
export function objectName(type: number, digest: Uint8Array): string {
  return `${type}${toHex(digest)}`;
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

/** The sequence number in a key that {@link sequenceKey} made, or undefined if the key is damaged. */
export function sequenceOfKey(key: Uint8Array): number | undefined {
  return sequenceAt(key, 1);
}

/** `c` machine NUL shadow copy; names hold no NUL. */
export function catalogKey(machine: string, shadowCopy: string): Buffer {
  return Buffer.from(`${String.fromCharCode(MetaPrefix.catalog)}${machine}\0${shadowCopy}`, 'latin1');
}

/** `r` machine. */
export function replicaKey(machine: string): Buffer {
  return Buffer.from(`${String.fromCharCode(MetaPrefix.replica)}${machine}`, 'latin1');
}

export const highWaterKey: Buffer = Buffer.of(MetaPrefix.highWater);
export const trustedTimeKey: Buffer = Buffer.of(MetaPrefix.trustedTime);
export const storeKey: Buffer = Buffer.of(MetaPrefix.store);

/** `j` number of a job, so that keys come in the order in which jobs were made. */
export function jobKey(id: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = MetaPrefix.job;
  key.writeBigUInt64BE(BigInt(id), 1);
  return key;
}

/** `v` number of a segment. */
export function scrubKey(segment: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = MetaPrefix.scrub;
  key.writeBigUInt64BE(BigInt(segment), 1);
  return key;
}

/** `p` machine. */
export function plannedKey(machine: string): Buffer {
  return Buffer.from(`${String.fromCharCode(MetaPrefix.planned)}${machine}`, 'latin1');
}

/** `a` number of an alert, so that keys come in the order in which alerts began. */
export function alertKey(id: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = MetaPrefix.alert;
  key.writeBigUInt64BE(BigInt(id), 1);
  return key;
}

/** `n` channel, and a NUL after it for the message that it is told. */
export function channelKey(channel: string, part: 'state' | 'message'): Buffer {
  return Buffer.from(`${String.fromCharCode(MetaPrefix.channel)}${channel}${part === 'message' ? '\0' : ''}`, 'latin1');
}

/** `b` machine NUL sequence number of the record of a shadow copy, so that keys of a machine come in the order in which those were made. */
export function changeKey(machine: string, order: number): Buffer {
  return Buffer.concat([
    Buffer.from(`${String.fromCharCode(MetaPrefix.change)}${machine}\0`, 'latin1'),
    objectKey(order),
  ]);
}

/** All keys of {@link changeKey} of a machine. */
export function changeRange(machine: string): { readonly gte: Buffer; readonly lt: Buffer } {
  return { gte: changeKey(machine, 0), lt: changeKey(machine, SEQUENCE_LIMIT) };
}

/** All keys that begin with one of the prefixes of {@link MetaPrefix}. */
export function prefixRange(prefix: number): { readonly gte: Buffer; readonly lt: Buffer } {
  return { gte: Buffer.of(prefix), lt: Buffer.of(prefix + 1) };
}

function sequenceAt(key: Uint8Array, offset: number): number | undefined {
  if (key.length !== offset + 8) return undefined;
  const sequence = Number(Buffer.from(key.buffer, key.byteOffset, key.byteLength).readBigUInt64BE(offset));
  return sequence < SEQUENCE_LIMIT ? sequence : undefined;
}

function typedKey(prefix: number, type: ObjectType, digest: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(2 + DIGEST_BYTES);
  key[0] = prefix;
  key[1] = type;
  key.set(digest, 2);
  return key;
}
