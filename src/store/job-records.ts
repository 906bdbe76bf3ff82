import { MetaPrefix } from '../codec/formats.js';
import { isUmbraError } from '../common/errors.js';
import { isMachineName } from '../common/names.js';
import { packRecord, unpackRecord, withCheck, withoutCheck } from './checked.js';
import { jobKey, plannedKey, prefixRange, sequenceOfKey } from './keys.js';
import type { KvOperation, KvWriter } from './kv.js';

/** A record with the number of its job; its fields are still to be looked at. */
export interface JobRecord {
  readonly id: number;
  readonly fields: Record<string, unknown>;
}

/** What changes at once. */
export interface JobChanges {
  readonly put?: readonly { readonly id: number; readonly fields: object }[];
  readonly remove?: readonly number[];
  /** Machines that are planned for from now on, and since when. */
  readonly plan?: readonly { readonly machine: string; readonly sinceMs: number }[];
  readonly unplan?: readonly string[];
}

/**
 * The scheduler's records in `meta`. Nothing else depends on them: one that is damaged is as one that is not there, and rebuilding
 * loses them all.
 */
export class JobRecords {
  readonly #meta: KvWriter;

  constructor(meta: KvWriter) {
    this.#meta = meta;
  }

  /** In the order of their numbers. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async all(): Promise<JobRecord[]> {
    const records: JobRecord[] = [];
    for await (const [key, value] of this.#meta.entries(prefixRange(MetaPrefix.job))) {
      const record = decode(key, value);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  /** @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async find(id: number): Promise<JobRecord | undefined> {
    const key = jobKey(id);
    const value = await this.#meta.get(key);
    return value === undefined ? undefined : decode(key, value);
  }

  /** Since when machines are planned for, by name. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async planned(): Promise<Map<string, number>> {
    const planned = new Map<string, number>();
    for await (const [key, value] of this.#meta.entries(prefixRange(MetaPrefix.planned))) {
      const machine = Buffer.from(key).toString('latin1', 1);
      const bytes = withoutCheck(key, value);
      if (bytes?.length === 8 && isMachineName(machine)) planned.set(machine, Number(bytes.readBigUInt64BE()));
    }
    return planned;
  }

  /** All of it or nothing; durable when this resolves. @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED */
  async write({ put = [], remove = [], plan = [], unplan = [] }: JobChanges): Promise<void> {
    const operations: KvOperation[] = [
      ...put.map(({ id, fields }) => checked(jobKey(id), packRecord(fields))),
      ...remove.map((id) => ({ type: 'del', key: jobKey(id) }) as const),
      ...plan.map(({ machine, sinceMs }) => checked(plannedKey(machine), encodeTime(sinceMs))),
      ...unplan.map((machine) => ({ type: 'del', key: plannedKey(machine) }) as const),
    ];
    if (operations.length > 0) await this.#meta.write(operations, { sync: true });
  }
}

function checked(key: Buffer, bytes: Buffer): KvOperation {
  return { type: 'put', key, value: withCheck(key, bytes) };
}

function encodeTime(timeMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(timeMs))));
  return bytes;
}

function decode(key: Uint8Array, value: Uint8Array): JobRecord | undefined {
  const id = sequenceOfKey(key);
  const bytes = withoutCheck(key, value);
  if (id === undefined || bytes === undefined) return undefined;
  try {
    return { id, fields: unpackRecord(bytes, `job ${id}`) };
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}
