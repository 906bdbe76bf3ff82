import { DIGEST_BYTES, MetaPrefix, type ObjectType } from '../codec/formats.js';
import { readDetails, readSequence, type IndexEntry } from './index-entries.js';
import { digestKey, prefixRange, quarantineKey, SEQUENCE_LIMIT, sequenceKey, sequenceOfKey } from './keys.js';
import type { KvOperation, KvReader } from './kv.js';
import { packRecord, withCheck, withoutCheck, unpackRecord } from './checked.js';

/** A damaged object that was taken out of the index. */
export interface QuarantineEntry {
  readonly type: number;
  readonly digest: Uint8Array;
  readonly reason: string;
  readonly timeMs: number;
}

/**
 * The sequence numbers of objects.
 * @returns undefined for an object that is not there, or whose entry is damaged: storing it again mends both
 */
export async function findSequences(
  meta: KvReader,
  type: ObjectType,
  digests: readonly Uint8Array[],
): Promise<(number | undefined)[]> {
  const keys = digests.map((digest) => digestKey(type, digest));
  const values = await meta.getMany(keys);
  return keys.map((key, index) => {
    const value = values[index];
    return value === undefined ? undefined : readSequence(key, value);
  });
}

/** The lengths of objects' frames; undefined for an object that is not there, or of which an entry is damaged. */
export async function findStoredBytes(
  meta: KvReader,
  type: ObjectType,
  digests: readonly Uint8Array[],
): Promise<(number | undefined)[]> {
  const sequences = await findSequences(meta, type, digests);
  const values = await meta.getMany(sequences.map((sequence = SEQUENCE_LIMIT) => sequenceKey(sequence)));
  return sequences.map((sequence, index) => {
    const value = values[index];
    if (sequence === undefined || value === undefined) return undefined;
    return readDetails(sequenceKey(sequence), value, sequence)?.storedBytes;
  });
}

/** Every object in the index, by sequence number; `entry` is undefined where it is damaged, and both are where the key is. */
export async function* indexEntries(
  meta: KvReader,
  from = 0,
): AsyncGenerator<{ readonly sequence: number | undefined; readonly entry: IndexEntry | undefined }> {
  const { lt } = prefixRange(MetaPrefix.sequence);
  for await (const [key, value] of meta.entries({ gte: sequenceKey(from), lt })) {
    const sequence = sequenceOfKey(key);
    yield { sequence, entry: sequence === undefined ? undefined : readDetails(key, value, sequence) };
  }
}

/** The digests of all objects of a type that are in the index. */
export async function* indexedDigests(meta: KvReader, type: ObjectType): AsyncGenerator<Uint8Array> {
  const prefix = Buffer.of(MetaPrefix.digest, type);
  for await (const key of meta.keys({ gte: prefix, lt: Buffer.of(MetaPrefix.digest, type + 1) })) {
    if (key.length === prefix.length + DIGEST_BYTES) yield key.subarray(prefix.length);
  }
}

/** The highest sequence number in the index, or -1. */
export async function highestIndexed(meta: KvReader): Promise<number> {
  const { gte } = prefixRange(MetaPrefix.sequence);
  for await (const key of meta.keys({ gte, lt: sequenceKey(SEQUENCE_LIMIT), reverse: true })) {
    const sequence = sequenceOfKey(key);
    if (sequence !== undefined) return sequence;
  }
  return -1;
}

/** The operations that take a damaged object out of the index, so that it is never used for deduplication again. */
export function quarantineOperations(entry: QuarantineEntry & { readonly type: ObjectType }): KvOperation[] {
  const key = quarantineKey(entry.type, entry.digest);
  return [
    { type: 'del', key: digestKey(entry.type, entry.digest) },
    { type: 'put', key, value: withCheck(key, packRecord({ reason: entry.reason, timeMs: entry.timeMs })) },
  ];
}

/** All objects in quarantine. */
export async function* quarantined(meta: KvReader): AsyncGenerator<QuarantineEntry> {
  for await (const [key, value] of meta.entries(prefixRange(MetaPrefix.quarantine))) {
    const bytes = withoutCheck(key, value);
    const record = bytes === undefined ? {} : unpackRecord(bytes, 'a quarantine entry');
    yield {
      type: key[1] ?? 0,
      digest: key.subarray(2),
      reason: typeof record['reason'] === 'string' ? record['reason'] : 'unknown',
      timeMs: typeof record['timeMs'] === 'number' ? record['timeMs'] : 0,
    };
  }
}
