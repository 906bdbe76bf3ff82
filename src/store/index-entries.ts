import { DIGEST_BYTES, ObjectType } from '../codec/formats.js';
import { digestKey, sequenceKey } from './keys.js';
import type { KvOperation } from './kv.js';
import { withCheck, withoutCheck } from './checked.js';

/** What the index knows of an object. */
export interface IndexEntry {
  readonly sequence: number;
  readonly type: ObjectType;
  readonly digest: Uint8Array;
  readonly plainBytes: number;
  /** Length of the frame. */
  readonly storedBytes: number;
}

/** The two entries of an object: digest → sequence number, and sequence number → everything. */
export function putEntry(entry: IndexEntry): KvOperation[] {
  const forward = digestKey(entry.type, entry.digest);
  const back = sequenceKey(entry.sequence);
  return [
    { type: 'put', key: forward, value: withCheck(forward, encodeSequence(entry.sequence)) },
    { type: 'put', key: back, value: withCheck(back, encodeDetails(entry)) },
  ];
}

/** The sequence number in a digest's entry, or undefined if the entry is damaged. */
export function readSequence(key: Uint8Array, value: Uint8Array): number | undefined {
  const bytes = withoutCheck(key, value);
  return bytes?.length === 8 ? Number(bytes.readBigUInt64BE()) : undefined;
}

/** The entry of a sequence number, or undefined if it is damaged. */
export function readDetails(key: Uint8Array, value: Uint8Array, sequence: number): IndexEntry | undefined {
  const bytes = withoutCheck(key, value);
  if (bytes?.length !== 9 + DIGEST_BYTES) return undefined;
  const type = Object.values(ObjectType).find((known) => known === bytes[0]);
  if (type === undefined) return undefined;
  return {
    sequence,
    type,
    plainBytes: bytes.readUInt32BE(1),
    storedBytes: bytes.readUInt32BE(5),
    digest: bytes.subarray(9),
  };
}

function encodeSequence(sequence: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(sequence));
  return bytes;
}

function encodeDetails(entry: IndexEntry): Buffer {
  const bytes = Buffer.allocUnsafe(9 + DIGEST_BYTES);
  bytes[0] = entry.type;
  bytes.writeUInt32BE(entry.plainBytes, 1);
  bytes.writeUInt32BE(entry.storedBytes, 5);
  bytes.set(entry.digest, 9);
  return bytes;
}
