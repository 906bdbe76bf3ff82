import { randomUUID } from 'node:crypto';
import { EMPTY_DIGEST, sameBytes } from '../codec/digest.js';
import { MetaPrefix } from '../codec/formats.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { shadowCopyName } from '../common/names.js';
import type { Consistency } from '../protocol/api.js';
import { packRecord, unpackRecord, withCheck, withoutCheck } from './checked.js';
import { catalogKey, prefixRange } from './keys.js';
import type { KvOperation, KvReader } from './kv.js';
import { CONSISTENCIES, Fields, protectionOf, type ShadowCopyRecord, type VolumeRecord } from './records.js';

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
}

type Protection = Pick<Listing, 'storedAtMs' | 'minimumAgeMs'>;

/** How the shadow copy of a record is listed. */
export function listingOf(record: ShadowCopyRecord, digest: Uint8Array, order: number): Listing {
  const { machine, name, timeMs } = record;
  return { machine, name, timeMs, record: digest, order, ...protectionFields(record) };
}

function protectionFields({ storedAtMs, minimumAgeMs }: Protection): Protection {
  return {
    ...(storedAtMs === undefined ? {} : { storedAtMs }),
    ...(minimumAgeMs === undefined ? {} : { minimumAgeMs }),
  };
}

const NONE: readonly Listing[] = [];

/**
 * Which shadow copies are listed. Kept in memory, about 200 bytes each, so that listing thousands of them reads nothing;
 * the truth is in `meta`.
 */
export class Catalog {
  /** No array in it is ever changed: who was given one (a mount keeps an index of it) sees by another array that it is old. */
  readonly #machines = new Map<string, readonly Listing[]>();
  readonly #id = randomUUID();
  #changes = 0;

  /** @throws {UmbraError} STORE_DAMAGED */
  static async load(meta: KvReader): Promise<Catalog> {
    const listings: Listing[] = [];
    for await (const [key, value] of meta.entries(prefixRange(MetaPrefix.catalog))) {
      listings.push(decodeListing(key, value));
    }
    return Catalog.of(listings);
  }

  /**
   * A catalog of these listings; what is as in `before` is the same array.
   * @param before what was known until now
   */
  static of(listings: Iterable<Listing>, before?: Catalog): Catalog {
    const catalog = new Catalog();
    const machines = new Map<string, Listing[]>();
    for (const listing of listings) {
      const listed = machines.get(listing.machine);
      if (listed === undefined) machines.set(listing.machine, [listing]);
      else listed.push(listing);
    }
    for (const [machine, listed] of machines) {
      const old = before?.shadowCopies(machine) ?? NONE;
      catalog.#machines.set(machine, isSame(listed.sort(byOrder), old) ? old : listed);
    }
    return catalog;
  }

  /** Another one after each change, and in each process. */
  get state(): string {
    return `${this.#id}.${this.#changes}`;
  }

  /** Machines with at least one shadow copy, sorted. */
  machines(): string[] {
    return [...this.#machines.keys()].sort();
  }

  /** The machine's shadow copies in the order they were made; empty if it is not known. */
  shadowCopies(machine: string): readonly Listing[] {
    return this.#machines.get(machine) ?? NONE;
  }

  *all(): Generator<Listing> {
    for (const machine of this.machines()) yield* this.shadowCopies(machine);
  }

  latest(machine: string): Listing | undefined {
    return this.shadowCopies(machine).at(-1);
  }

  /**
   * @param version a name, or `latest`
   * @throws {UmbraError} NOT_FOUND
   */
  find(machine: string, version: string): Listing {
    const listed = this.shadowCopies(machine);
    if (listed.length === 0) {
      throw new UmbraError('NOT_FOUND', `there is no machine "${machine}" in the store`, {
        hint: 'Run "umbra list" to see the machines.',
      });
    }
    const found = version === 'latest' ? listed.at(-1) : listed.find(({ name }) => name === version);
    if (found !== undefined) return found;
    throw new UmbraError('NOT_FOUND', `"${machine}" has no shadow copy "${version}"`, {
      hint: `Run "umbra list ${machine}" to see its shadow copies.`,
    });
  }

  /** A name for a shadow copy made at `timeMs` that the machine does not have yet, and that `taken` does not refuse. */
  freeName(machine: string, timeMs: number, taken: (name: string) => boolean): string {
    const names = new Set(this.shadowCopies(machine).map(({ name }) => name));
    for (let attempt = 1; ; attempt++) {
      const name = shadowCopyName(timeMs, attempt);
      if (!names.has(name) && !taken(name)) return name;
    }
  }

  /** A machine's list is never changed in place: whoever keeps one sees by its identity that it is out of date. */
  insert(listing: Listing): void {
    this.#changes++;
    this.#machines.set(listing.machine, [...this.shadowCopies(listing.machine), listing].sort(byOrder));
  }

  remove(machine: string, name: string): void {
    this.#changes++;
    const rest = this.shadowCopies(machine).filter((listing) => listing.name !== name);
    if (rest.length === 0) this.#machines.delete(machine);
    else this.#machines.set(machine, rest);
  }
}

function isSame(a: readonly Listing[], b: readonly Listing[]): boolean {
  return (
    a.length === b.length && a.every((listing, index) => sameBytes(listing.record, b[index]?.record ?? EMPTY_DIGEST))
  );
}

function byOrder(a: Listing, b: Listing): number {
  return a.order - b.order;
}

/** What lists show of a shadow copy, kept with the listing so that a list reads no records and shows damaged ones too. */
export interface ListingSummary {
  readonly consistency: Consistency;
  readonly tracker: string;
  readonly pauseMs: number;
  readonly host?: string;
  readonly volumes: readonly Omit<VolumeRecord, 'source'>[];
}

/** The operation that lists a shadow copy. */
export function putListing(listing: Listing, summary: ListingSummary): KvOperation {
  const { consistency, tracker, pauseMs, host, volumes } = summary;
  const key = catalogKey(listing.machine, listing.name);
  const { record, timeMs, order } = listing;
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
      }),
    ),
  };
}

/**
 * The summaries of listed shadow copies, in order; those that are no longer listed are left out.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function readSummaries(
  meta: KvReader,
  listings: readonly Listing[],
): Promise<{ readonly listing: Listing; readonly summary: ListingSummary }[]> {
  const keys = listings.map(({ machine, name }) => catalogKey(machine, name));
  const values = await meta.getMany(keys);
  return listings.flatMap((listing, index) => {
    const key = keys[index];
    const value = values[index];
    return key === undefined || value === undefined
      ? []
      : [{ listing, summary: decodeSummary(openListing(key, value)) }];
  });
}

/** The operation that takes a shadow copy off the list. */
export function deleteListing(machine: string, name: string): KvOperation {
  return { type: 'del', key: catalogKey(machine, name) };
}

function decodeListing(key: Uint8Array, value: Uint8Array): Listing {
  const [machine = '', name = ''] = Buffer.from(key.subarray(1)).toString('latin1').split('\0');
  const fields = openListing(key, value);
  const record = Uint8Array.from(fields.digest('record'));
  const timeMs = fields.time('timeMs');
  return { machine, name, record, timeMs, order: fields.whole('order'), ...protectionOf(fields) };
}

/** The shadow copies whose listings in `meta` are damaged, as `MACHINE@NAME`. */
export async function damagedListings(meta: KvReader): Promise<string[]> {
  const names: string[] = [];
  for await (const [key, value] of meta.entries(prefixRange(MetaPrefix.catalog))) {
    try {
      decodeListing(key, value);
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      names.push(Buffer.from(key.subarray(1)).toString('latin1').replace('\0', '@'));
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
