import { MetaPrefix, type ObjectType } from '../codec/formats.js';
import { readDetails, readSequence, type IndexEntry } from './index-entries.js';
import { digestKey, prefixRange, quarantineKey, sequenceKey, sequenceOfKey } from './keys.js';
import type { KvOperation, KvReader, KvWriter } from './kv.js';
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

/** Every object in the index, by sequence number; `fault` stands for an entry that is damaged. */
export async function* indexEntries(
  meta: KvReader,
  from = 0,
): AsyncGenerator<{ readonly sequence: number; readonly entry: IndexEntry | undefined }> {
  const { lt } = prefixRange(MetaPrefix.sequence);
  for await (const [key, value] of meta.entries({ gte: sequenceKey(from), lt })) {
    const sequence = sequenceOfKey(key);
    yield { sequence, entry: readDetails(key, value, sequence) };
  }
}

/** The highest sequence number in the index, or -1. */
export async function highestIndexed(meta: KvReader): Promise<number> {
  for await (const key of meta.keys({ ...prefixRange(MetaPrefix.sequence), reverse: true, limit: 1 })) return sequenceOfKey(key);
  return -1;
}

/** Take a damaged object out of the index, durably, so that it is never used for deduplication again. */
export async function quarantine(meta: KvWriter, entry: QuarantineEntry & { readonly type: ObjectType }): Promise<void> {
  const key = quarantineKey(entry.type, entry.digest);
  const operations: KvOperation[] = [
    { type: 'del', key: digestKey(entry.type, entry.digest) },
    { type: 'put', key, value: withCheck(key, packRecord({ reason: entry.reason, timeMs: entry.timeMs })) },
  ];
  await meta.write(operations, { sync: true });
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
