import type { Change } from '../policies/sudden-change.js';
import { packRecord, unpackRecord, withCheck, withoutCheck } from './checked.js';
import { Fields } from './fields.js';
import { changeKey, changeRange, sequenceOfObjectKey } from './keys.js';
import type { KvOperation, KvReader } from './kv.js';
import { putListing, type Listing } from './listing.js';
import type { ShadowCopyRecord } from './records.js';
import type { ShadowCopyChange } from './shadow-copy-change.js';
import { isUmbraError } from '../common/errors.js';

/** What changed in a machine is remembered for so long, also when its shadow copy is deleted before: five weekly jobs fit in. */
const REMEMBERED_MS = 36 * 24 * 60 * 60_000;
/** Of a machine that is backed up seldom, so many stay in any case… */
const LEAST_REMEMBERED = 30;
/** …and of one that is all the time, no more: a quarter of an hour for 36 days. */
const MOST_REMEMBERED = 3_500;

/** How much changed with one shadow copy, with what is needed to tell which are usual. */
export interface RememberedChange extends Change {
  /** Of the shadow copy's listing. */
  readonly order: number;
  readonly atMs: number;
  readonly isSudden: boolean;
}

/** All volumes of a machine together. */
export function totalOf({ elapsedMs, volumes }: Omit<ShadowCopyChange, 'atMs'>): Change {
  const total = { elapsedMs, comparedBytes: 0, changedBytes: 0, incompressibleBytes: 0 };
  for (const { comparedBytes, changedBytes, incompressibleBytes } of volumes) {
    total.comparedBytes += comparedBytes;
    total.changedBytes += changedBytes;
    total.incompressibleBytes += incompressibleBytes;
  }
  return total;
}

/** The operations that list a shadow copy, and remember how much changed with it. */
export function listOperations(listing: Listing, record: ShadowCopyRecord): KvOperation[] {
  return [putListing(listing, record), ...rememberChange(record, listing.order)];
}

function rememberChange({ machine, change }: ShadowCopyRecord, order: number): KvOperation[] {
  if (change === undefined) return [];
  const { atMs, sudden } = change;
  const key = changeKey(machine, order);
  const value = { ...totalOf(change), atMs, isSudden: sudden !== undefined };
  return [{ type: 'put', key, value: withCheck(key, packRecord(value)) }];
}

/** In the order in which the shadow copies were made; what is damaged is as what is not there. */
export async function rememberedChanges(meta: KvReader, machine: string): Promise<RememberedChange[]> {
  const changes: RememberedChange[] = [];
  for await (const [key, value] of meta.entries(changeRange(machine))) {
    const change = decode(key, value, machine);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

/** The operations that forget what is too old to be compared with. */
export function forgetOldChanges(machine: string, changes: readonly RememberedChange[], nowMs: number): KvOperation[] {
  return changes
    .slice(0, Math.max(0, changes.length - LEAST_REMEMBERED))
    .filter(({ atMs }, index) => changes.length - index > MOST_REMEMBERED || nowMs - atMs > REMEMBERED_MS)
    .map(({ order }) => ({ type: 'del', key: changeKey(machine, order) }));
}

function decode(key: Uint8Array, value: Uint8Array, machine: string): RememberedChange | undefined {
  const order = sequenceOfObjectKey(key.subarray(machine.length + 2));
  const bytes = withoutCheck(key, value);
  if (order === undefined || bytes === undefined) return undefined;
  try {
    const record = unpackRecord(bytes, 'a change');
    const fields = new Fields(record, 'a change');
    return {
      order,
      atMs: fields.time('atMs'),
      elapsedMs: fields.number('elapsedMs'),
      comparedBytes: fields.number('comparedBytes'),
      changedBytes: fields.number('changedBytes'),
      incompressibleBytes: fields.number('incompressibleBytes'),
      isSudden: record['isSudden'] === true,
    };
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}
