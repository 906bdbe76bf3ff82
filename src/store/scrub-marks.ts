import { MetaPrefix } from '../codec/formats.js';
import { isUmbraError } from '../common/errors.js';
import { boolean, list, object, string, whole } from '../common/params.js';
import { packRecord, unpackRecord, withCheck, withoutCheck } from './checked.js';
import { prefixRange, scrubKey, sequenceOfKey } from './keys.js';
import type { KvOperation, KvWriter } from './kv.js';

/** Damage of LevelDB's files and of the index: objects that are damaged are in quarantine. */
export interface FileDamage {
  readonly kind: string;
  readonly object: string;
  readonly reason: string;
  readonly foundMs: number;
}

/** When a part of the store was read last, and what was found; or since when it is known, if it was never read. */
export interface ScrubMark {
  readonly isRead: boolean;
  readonly wallMs: number;
  readonly trustedMs: number;
  readonly objects: number;
  readonly bytes: number;
  readonly damage: readonly FileDamage[];
}

/** Of each part so much is kept. */
export const MOST_DAMAGE = 50;

const time = whole(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
const count = whole(0, Number.MAX_SAFE_INTEGER);
const parse = object({
  isRead: boolean,
  wallMs: time,
  trustedMs: time,
  objects: count,
  bytes: count,
  damage: list(object({ kind: string, object: string, reason: string, foundMs: time }), 0, MOST_DAMAGE),
});

/**
 * The records of what was read when, in `meta`. One that is damaged is as one that is not there: that part is then read as one that never
 * was. Rebuilding loses them all.
 */
export class ScrubMarks {
  readonly #meta: KvWriter;

  constructor(meta: KvWriter) {
    this.#meta = meta;
  }

  /** By number of the segment. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async all(): Promise<Map<number, ScrubMark>> {
    const marks = new Map<number, ScrubMark>();
    for await (const [key, value] of this.#meta.entries(prefixRange(MetaPrefix.scrub))) {
      const index = sequenceOfKey(key);
      const bytes = withoutCheck(key, value);
      const mark = bytes === undefined ? undefined : decode(bytes);
      if (index !== undefined && mark !== undefined) marks.set(index, mark);
    }
    return marks;
  }

  /** @param marks undefined for a segment that has none any more. @throws {UmbraError} STORE_FULL, STORE_FAILED */
  async write(marks: Iterable<readonly [index: number, mark: ScrubMark | undefined]>): Promise<void> {
    const operations = [...marks].map(([index, mark]): KvOperation => {
      const key = scrubKey(index);
      return mark === undefined ? { type: 'del', key } : { type: 'put', key, value: withCheck(key, packRecord(mark)) };
    });
    if (operations.length > 0) await this.#meta.write(operations, { sync: true });
  }
}

function decode(bytes: Uint8Array): ScrubMark | undefined {
  try {
    return parse(unpackRecord(bytes, 'a scrub mark'), 'mark');
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED', 'BAD_ARGUMENT')) return undefined;
    throw error;
  }
}
