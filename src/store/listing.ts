import { sameBytes } from '../codec/digest.js';
import { MetaPrefix } from '../codec/formats.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Consistency } from '../protocol/api.js';
import { packRecord, unpackRecord, withCheck, withoutCheck } from './checked.js';
import { catalogKey, prefixRange, replicaKey } from './keys.js';
import type { KvOperation, KvReader } from './kv.js';
import { Fields } from './fields.js';
import { CONSISTENCIES, protectionOf, type ShadowCopyRecord, type VolumeRecord } from './records.js';
import { suddenOf, type SuddenVolumeChange } from './shadow-copy-change.js';

/** A listed shadow copy. */
export interface Listing {
  readonly machine: string;
  readonly name: string;
  readonly timeMs: number;
  /** Digest of its record. */
  readonly record: Uint8Array;
  /** Sequence number of its record when it was listed: the order in which shadow copies were made. */
  readonly order: number;
  /** As in its record. */
  readonly storedAtMs?: number;
  readonly minimumAgeMs?: number;
  /** A machine's replica, which is not among its shadow copies. */
  readonly isReplica?: true;
  /** There, if too much changed with it. */
  readonly sudden?: SuddenVolumeChange;
}

type Protection = Pick<Listing, 'storedAtMs' | 'minimumAgeMs'>;

/** How the shadow copy of a record is listed. */
export function listingOf(record: ShadowCopyRecord, digest: Uint8Array, order: number): Listing {
  const { machine, name, timeMs, isReplica, change } = record;
  const sudden = change?.sudden === undefined ? {} : { sudden: change.sudden };
  const kind = { ...replicaField(isReplica), ...sudden };
  return { machine, name, timeMs, record: digest, order, ...protectionFields(record), ...kind };
}

function replicaField(isReplica: boolean | undefined): Pick<Listing, 'isReplica'> {
  return isReplica === true ? { isReplica } : {};
}

function protectionFields({ storedAtMs, minimumAgeMs }: Protection): Protection {
  return {
    ...(storedAtMs === undefined ? {} : { storedAtMs }),
    ...(minimumAgeMs === undefined ? {} : { minimumAgeMs }),
  };
}

/** What lists show of a shadow copy, kept with the listing so that a list reads no records and shows damaged ones too. */
export interface ListingSummary {
  readonly consistency: Consistency;
  readonly tracker: string;
  readonly pauseMs: number;
  readonly host?: string;
  readonly volumes: readonly Omit<VolumeRecord, 'source'>[];
}

/** Where in `meta` it is. */
function keyOf({ machine, name, isReplica }: Pick<Listing, 'machine' | 'name' | 'isReplica'>): Buffer {
  return isReplica === true ? replicaKey(machine) : catalogKey(machine, name);
}

/** The operation that lists a shadow copy, or has a replica be the machine's. */
export function putListing(listing: Listing, summary: ListingSummary): KvOperation {
  const { consistency, tracker, pauseMs, host, volumes } = summary;
  const key = keyOf(listing);
  const { record, timeMs, order, isReplica, name, sudden } = listing;
  const shown = volumes.map(({ name, sizeBytes, dataBytes, root }) => ({ name, sizeBytes, dataBytes, root }));
  return {
    type: 'put',
    key,
    value: withCheck(
      key,
      packRecord({
        record,
        timeMs,
        order,
        consistency,
        tracker,
        pauseMs,
        ...(host === undefined ? {} : { host }),
        volumes: shown,
        ...protectionFields(listing),
        ...(isReplica === true ? { name } : {}),
        ...(sudden === undefined ? {} : { sudden }),
      }),
    ),
  };
}

/**
 * The summaries of listed shadow copies and of replicas, in order; those that there are no longer are left out.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function readSummaries(
  meta: KvReader,
  listings: readonly Listing[],
): Promise<{ readonly listing: Listing; readonly summary: ListingSummary }[]> {
  const keys = listings.map(keyOf);
  const values = await meta.getMany(keys);
  return listings.flatMap((listing, index) => {
    const key = keys[index];
    const value = values[index];
    if (key === undefined || value === undefined) return [];
    const fields = openListing(key, value);
    // A replica may be another one by now.
    return sameBytes(fields.digest('record'), listing.record) ? [{ listing, summary: decodeSummary(fields) }] : [];
  });
}

/** The operation that takes a shadow copy off the list. */
export function deleteListing(machine: string, name: string): KvOperation {
  return { type: 'del', key: catalogKey(machine, name) };
}

/** The operation after which a machine has no replica. */
export function deleteReplica(machine: string): KvOperation {
  return { type: 'del', key: replicaKey(machine) };
}

/** @throws {UmbraError} STORE_DAMAGED */
export function decodeListing(key: Uint8Array, value: Uint8Array): Listing {
  const isReplica = key[0] === MetaPrefix.replica;
  const [machine = '', named = ''] = Buffer.from(key.subarray(1)).toString('latin1').split('\0');
  const fields = openListing(key, value);
  const record = Uint8Array.from(fields.digest('record'));
  const timeMs = fields.time('timeMs');
  const name = isReplica ? fields.text('name') : named;
  const order = fields.whole('order');
  const kind = { ...replicaField(isReplica), ...suddenOf(fields) };
  return { machine, name, record, timeMs, order, ...protectionOf(fields), ...kind };
}

/** The shadow copies and replicas whose entries in `meta` are damaged, as `MACHINE@NAME`. */
export async function damagedListings(meta: KvReader): Promise<string[]> {
  const names: string[] = [];
  for (const prefix of [MetaPrefix.catalog, MetaPrefix.replica]) {
    for await (const [key, value] of meta.entries(prefixRange(prefix))) {
      try {
        decodeListing(key, value);
      } catch (error) {
        if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
        const [machine = '', name = 'replica'] = Buffer.from(key.subarray(1)).toString('latin1').split('\0');
        names.push(`${machine}@${name}`);
      }
    }
  }
  return names;
}

function openListing(key: Uint8Array, value: Uint8Array): Fields {
  const bytes = withoutCheck(key, value);
  if (bytes !== undefined) return new Fields(unpackRecord(bytes, 'the catalog'), 'the catalog');
  throw new UmbraError('STORE_DAMAGED', 'the catalog of the store is damaged', {
    hint: 'Run "umbra rebuild": it makes the catalog again from the objects.',
  });
}

/** Stores of before there were agents say nothing of them. */
function decodeSummary(fields: Fields): ListingSummary {
  const host = fields.optionalText('host');
  return {
    consistency: fields.oneOf('consistency', CONSISTENCIES),
    tracker: fields.optionalText('tracker') ?? 'scan',
    pauseMs: fields.optionalNumber('pauseMs') ?? 0,
    ...(host === undefined ? {} : { host }),
    volumes: fields.records('volumes').map((volume) => ({
      name: volume.text('name'),
      sizeBytes: volume.whole('sizeBytes'),
      dataBytes: volume.whole('dataBytes'),
      root: Uint8Array.from(volume.digest('root')),
    })),
  };
}
