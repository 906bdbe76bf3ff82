import type { IndexEntry } from './index-entries.js';
import { objectKey } from './keys.js';
import type { KvOperation } from './kv.js';

/** A batch of objects is written when so many bytes have come together. */
export const BATCH_BYTES = 4 * 1024 * 1024;

/** Objects that are written together; their frames lie in one buffer, which is used again. */
export interface ObjectBatch {
  readonly buffer: Buffer;
  readonly entries: IndexEntry[];
  usedBytes: number;
}

/** What writes the objects of a batch; the values are parts of its buffer. */
export function putsOf({ buffer, entries }: ObjectBatch): KvOperation[] {
  let at = 0;
  return entries.map(({ sequence, storedBytes }) => {
    const value = buffer.subarray(at, (at += storedBytes));
    return { type: 'put', key: objectKey(sequence), value };
  });
}
