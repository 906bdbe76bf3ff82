import { SEQUENCE_LIMIT, sequenceOfKey, sequenceKey } from './keys.js';
import type { KvStore } from './kv.js';

/** The first segment from `index` on that has objects, of segments of so many numbers. @throws {UmbraError} STORE_FAILED */
export async function segmentFrom(meta: KvStore, index: number, size: number): Promise<number | undefined> {
  for await (const key of meta.keys({ gte: sequenceKey(index * size), lt: sequenceKey(SEQUENCE_LIMIT) })) {
    const sequence = sequenceOfKey(key);
    if (sequence !== undefined) return Math.floor(sequence / size);
  }
  return undefined;
}

/** How many objects a segment has: numbers are left out with each start, and what was collected is gone. @throws {UmbraError} STORE_FAILED */
export async function countSegment(meta: KvStore, index: number, size: number): Promise<number> {
  let count = 0;
  for await (const key of meta.keys({ gte: sequenceKey(index * size), lt: sequenceKey((index + 1) * size) }))
    if (sequenceOfKey(key) !== undefined) count += 1;
  return count;
}

/** With so many objects more, which are as large as those before. */
export function grown<T extends { readonly objects: number; readonly bytes: number }>(segment: T, added: number): T {
  const objects = segment.objects + added;
  const bytes = segment.objects === 0 ? segment.bytes : Math.round((segment.bytes * objects) / segment.objects);
  return { ...segment, objects, bytes };
}
