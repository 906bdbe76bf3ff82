import { MetaPrefix } from '../codec/formats.js';
import { isUmbraError } from '../common/errors.js';
import { packRecord, unpackRecord, withCheck, withoutCheck } from './checked.js';
import { alertKey, channelKey, prefixRange, sequenceOfKey } from './keys.js';
import type { KvOperation, KvWriter } from './kv.js';

/** A record with the number of its alert; its fields are still to be looked at. */
export interface AlertRecord {
  readonly id: number;
  readonly fields: Record<string, unknown>;
}

/** What is kept of a channel: what it was told, and the message that it is told now. */
export type ChannelPart = 'state' | 'message';

/** A record of a channel; its fields are still to be looked at. */
export interface ChannelRecord {
  readonly channel: string;
  readonly part: ChannelPart;
  readonly fields: Record<string, unknown>;
}

/** What changes at once. */
export interface AlertChanges {
  readonly put: readonly { readonly id: number; readonly fields: object }[];
  readonly remove: readonly number[];
  readonly putChannels: readonly { readonly channel: string; readonly part: ChannelPart; readonly fields: object }[];
  readonly removeChannels: readonly { readonly channel: string; readonly part: ChannelPart }[];
}

/**
 * The alerts in `meta`, and what whom was told of them. Nothing else depends on them: one that is damaged is as one that is not there, and
 * rebuilding loses them all.
 */
export class AlertRecords {
  readonly #meta: KvWriter;

  constructor(meta: KvWriter) {
    this.#meta = meta;
  }

  /** In the order of their numbers. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async alerts(): Promise<AlertRecord[]> {
    const records: AlertRecord[] = [];
    for await (const [key, value] of this.#meta.entries(prefixRange(MetaPrefix.alert))) {
      const id = sequenceOfKey(key);
      const fields = decode(key, value);
      if (id !== undefined && fields !== undefined) records.push({ id, fields });
    }
    return records;
  }

  /** @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async channels(): Promise<ChannelRecord[]> {
    const records: ChannelRecord[] = [];
    for await (const [key, value] of this.#meta.entries(prefixRange(MetaPrefix.channel))) {
      const name = Buffer.from(key).toString('latin1', 1);
      const part = name.endsWith('\0') ? 'message' : 'state';
      const fields = decode(key, value);
      if (fields !== undefined) records.push({ channel: name.replace('\0', ''), part, fields });
    }
    return records;
  }

  /** All of it or nothing; durable when this resolves. @throws {UmbraError} STORE_FULL, STORE_FAILED, STORE_DAMAGED */
  async write({ put, remove, putChannels, removeChannels }: AlertChanges): Promise<void> {
    const operations: KvOperation[] = [
      ...put.map(({ id, fields }) => checked(alertKey(id), fields)),
      ...remove.map((id) => ({ type: 'del', key: alertKey(id) }) as const),
      ...putChannels.map(({ channel, part, fields }) => checked(channelKey(channel, part), fields)),
      ...removeChannels.map(({ channel, part }) => ({ type: 'del', key: channelKey(channel, part) }) as const),
    ];
    if (operations.length > 0) await this.#meta.write(operations, { sync: true });
  }
}

function checked(key: Buffer, fields: object): KvOperation {
  return { type: 'put', key, value: withCheck(key, packRecord(fields)) };
}

function decode(key: Uint8Array, value: Uint8Array): Record<string, unknown> | undefined {
  const bytes = withoutCheck(key, value);
  if (bytes === undefined) return undefined;
  try {
    return unpackRecord(bytes, 'an alert');
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}
