import { ObjectType } from '../codec/formats.js';
import { sameBytes } from '../codec/digest.js';
import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type { Catalog } from './catalog.js';
import { packRecord } from './checked.js';
import { digestKey } from './keys.js';
import type { KvStore } from './kv.js';
import type { Leases } from './leases.js';
import { deleteListing, deleteReplica, listingOf, putListing, type Listing } from './listing.js';
import { findSequences } from './object-index.js';
import { RecentNames } from './recent-names.js';
import type { ShadowCopyRecord, TombstoneRecord } from './records.js';
import type { IngestSession } from './session.js';

/** What is known of a shadow copy or a replica before it is committed. */
export type NewRecord = Omit<ShadowCopyRecord, 'name' | 'storedAtMs' | 'minimumAgeMs' | 'isReplica'>;

/** Names of forgotten shadow copies that are not used again: those of weeks, of hundreds of machines. */
const NAMES_GONE = 50_000;

type Protection = Pick<ShadowCopyRecord, 'storedAtMs' | 'minimumAgeMs'>;

/**
 * So many replicas of a machine that were replaced stay in the index: who has just looked one up finds its record, also before he takes a
 * lease on it.
 */
const MOST_FORMER = 4;

export interface CommitParts {
  readonly meta: KvStore;
  readonly catalog: Catalog;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly openSession: () => IngestSession;
  readonly record: (listing: Listing) => Promise<ShadowCopyRecord>;
  /** How what is stored now is protected from being deleted. */
  readonly protection: (record: NewRecord) => Promise<Protection>;
}

/** A machine's newest shadow copy, now that its replica is one. */
export interface KeptReplica {
  readonly record: ShadowCopyRecord;
  /** False if there was no replica that was newer. */
  readonly isNew: boolean;
}

/** What changes which shadow copies and replicas there are: one change comes after the other, and each is whole or not there. */
export class Commits {
  readonly #parts: CommitParts;
  /** Names that commits under way will use. */
  readonly #namesTaken = new Set<string>();
  /** Names of forgotten shadow copies: what a mount's users and the kernel still know under one must not become another. */
  readonly #namesGone = new RecentNames(NAMES_GONE);
  /** Replicas that were replaced and are still in the index, by machine. */
  readonly #former = new Map<string, Listing[]>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: CommitParts) {
    this.#parts = parts;
  }

  /** As {@link Store.commit} and {@link Store.commitReplica}. */
  async commit(session: IngestSession, record: NewRecord, isReplica: boolean): Promise<ShadowCopyRecord> {
    await session.barrier();
    const name = this.#reserveName(record.machine, record.timeMs);
    try {
      const named = { ...record, name, ...(await this.#parts.protection(record)) };
      const complete: ShadowCopyRecord = isReplica ? { ...named, isReplica } : named;
      return await this.#inOrder(() => this.#list(session, complete));
    } finally {
      this.#namesTaken.delete(`${record.machine}\0${name}`);
    }
  }

  /** As {@link Store.keepReplica}. */
  keepReplica(machine: string): Promise<KeptReplica> {
    return this.#inOrder(async () => {
      const { catalog, leases } = this.#parts;
      const replica = catalog.replica(machine);
      if (replica === undefined) {
        return { record: await this.#parts.record(catalog.find(machine, 'latest')), isNew: false };
      }
      const giveBack = leases.take(replica);
      const session = this.#parts.openSession();
      try {
        return { record: await this.#list(session, await this.#shadowCopyOf(replica)), isNew: true };
      } finally {
        session.end();
        giveBack();
      }
    });
  }

  /** As {@link Store.forget}; of a replica, have the machine have none. */
  async forget(listing: Listing): Promise<void> {
    const { machine, name, isReplica } = listing;
    const { meta, catalog } = this.#parts;
    await this.#inOrder(async () => {
      const holder = this.#parts.leases.holder(listing);
      if (holder !== undefined) {
        throw new UmbraError('SHADOW_COPY_OPEN', `${machine}@${name} is in use: ${holder}`, {
          hint: 'Close the file or wait for the command, then try again.',
        });
      }
      if (isReplica === true && catalog.replica(machine) !== listing) return;
      await this.#bury(listing);
      await meta.write([isReplica === true ? deleteReplica(machine) : deleteListing(machine, name)], { sync: true });
      if (isReplica === true) catalog.removeReplica(machine);
      else catalog.remove(machine, name);
      this.#namesGone.add(`${machine}\0${name}`);
    });
  }

  async #bury({ record, machine, name }: Listing): Promise<void> {
    const session = this.#parts.openSession();
    try {
      const tombstone: TombstoneRecord = { record, machine, name, timeMs: this.#parts.clock.now() };
      await session.addLast(ObjectType.tombstone, packRecord(tombstone));
      await session.barrier();
    } finally {
      session.end();
    }
  }

  /** Its record comes after that of all that is listed: that is how a replica that is out of date is told from one that holds. */
  async #list(session: IngestSession, complete: ShadowCopyRecord): Promise<ShadowCopyRecord> {
    const { meta, catalog } = this.#parts;
    const { machine, isReplica } = complete;
    const { digest, sequence: order } = await session.addLast(ObjectType.record, packRecord(complete));
    await session.barrier();
    const listing = listingOf(complete, digest, order);
    const before = catalog.replica(machine);
    const ends = before !== undefined && isReplica !== true ? [deleteReplica(machine)] : [];
    await meta.write([putListing(listing, complete), ...ends], { sync: true });
    catalog.insert(listing);
    if (before !== undefined) await this.#retire(before);
    return complete;
  }

  async #shadowCopyOf(replica: Listing): Promise<ShadowCopyRecord> {
    const {
      isReplica: _isReplica,
      storedAtMs: _storedAtMs,
      minimumAgeMs: _minimumAgeMs,
      ...record
    } = await this.#parts.record(replica);
    const protection = await this.#parts.protection(record);
    return { ...record, ...protection, notes: [...(record.notes ?? []), 'made of the replica, without the agent'] };
  }

  /**
   * A replica was replaced. Its record would be looked at each time that the store is opened, until a collection takes it: those that nobody
   * uses are taken out of the index before. What is lost of this in a crash costs no more than that.
   */
  async #retire(replica: Listing): Promise<void> {
    const { meta, leases } = this.#parts;
    const former = [...(this.#former.get(replica.machine) ?? []), replica];
    const inUse = leases.listings();
    const isFree = ({ record }: Listing): boolean => !inUse.some((other) => sameBytes(other.record, record));
    const going = former.slice(0, -MOST_FORMER).filter(isFree);
    this.#former.set(
      replica.machine,
      former.filter((listing) => !going.includes(listing)),
    );
    for (const { record, order } of going) {
      const [sequence] = await findSequences(meta, ObjectType.record, [record]);
      if (sequence === order)
        await meta.write([{ type: 'del', key: digestKey(ObjectType.record, record) }], { sync: false });
    }
  }

  /** One after the other; whoever calls hears of errors. */
  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #reserveName(machine: string, timeMs: number): string {
    const name = this.#parts.catalog.freeName(machine, timeMs, (candidate) => {
      const key = `${machine}\0${candidate}`;
      return this.#namesTaken.has(key) || this.#namesGone.has(key);
    });
    this.#namesTaken.add(`${machine}\0${name}`);
    return name;
  }
}
