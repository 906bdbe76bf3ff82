import { ObjectType } from '../codec/formats.js';
import { sameBytes } from '../codec/digest.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Catalog } from './catalog.js';
import { listOperations } from './change-history.js';
import type { Changes, JudgedChange } from './changes.js';
import { packRecord } from './checked.js';
import { digestKey } from './keys.js';
import type { KvStore } from './kv.js';
import type { Leases } from './leases.js';
import { deleteListing, deleteReplica, listingOf, type Listing } from './listing.js';
import type { NewRecord } from './new-record.js';
import { findSequences } from './object-index.js';
import { lastShadowCopyError, type ForgetOptions } from './one-stays.js';
import { RecentNames } from './recent-names.js';
import type { ShadowCopyRecord, TombstoneRecord } from './records.js';
import type { IngestSession } from './session.js';
import type { VolumeChange } from './shadow-copy-change.js';

/** Names of forgotten shadow copies that are not used again: those of weeks, of hundreds of machines. */
const NAMES_GONE = 50_000;

type Protection = Pick<ShadowCopyRecord, 'storedAtMs' | 'minimumAgeMs'>;

/** How much of `now` is not as in `previous`; both are leased. */
export type CountChanges = (
  previous: ShadowCopyRecord,
  now: ShadowCopyRecord,
  session: IngestSession,
) => Promise<readonly VolumeChange[]>;

/**
 * So many replicas of a machine that were replaced stay in the index: who has just looked one up finds its record, also before he takes a
 * lease on it.
 */
const MOST_FORMER = 4;

export interface CommitParts {
  readonly meta: KvStore;
  readonly catalog: Catalog;
  readonly leases: Leases;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly openSession: () => IngestSession;
  readonly record: (listing: Listing) => Promise<ShadowCopyRecord>;
  /** How what is stored now is protected from being deleted. */
  readonly protection: (record: Pick<ShadowCopyRecord, 'machine' | 'host'>) => Promise<Protection>;
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
  /** Those of which a tombstone says that they are deleted. */
  readonly #buried = new WeakSet<Listing>();
  #last: Promise<unknown> = Promise.resolve();
  #endedReplicas = 0;

  constructor(parts: CommitParts) {
    this.#parts = parts;
  }

  /** As {@link Store.endedReplicas}. */
  get endedReplicas(): number {
    return this.#endedReplicas;
  }

  /** As {@link Store.commit} and {@link Store.commitReplica}. */
  async commit(
    session: IngestSession,
    { changes = [], ...record }: NewRecord,
    isReplica: boolean,
  ): Promise<ShadowCopyRecord> {
    await session.barrier();
    const name = this.#reserveName(record.machine, record.timeMs);
    try {
      const named = { ...record, name, ...(await this.#parts.protection(record)) };
      const complete: ShadowCopyRecord = isReplica ? { ...named, isReplica } : named;
      return await this.#inOrder(async () => {
        const ends = !isReplica && this.#parts.catalog.replica(record.machine) !== undefined;
        const listed = await this.#list(session, complete, changes);
        if (ends) this.#endedReplicas += 1;
        return listed;
      });
    } finally {
      this.#namesTaken.delete(`${record.machine}\0${name}`);
    }
  }

  /** As {@link Store.keepReplica}. What changed is counted before others have to wait. */
  async keepReplica(machine: string, count: CountChanges): Promise<KeptReplica> {
    const { catalog, leases } = this.#parts;
    for (;;) {
      const replica = catalog.replica(machine);
      const giveBack = replica === undefined ? undefined : leases.take(replica);
      const session = this.#parts.openSession();
      try {
        const changes = replica === undefined ? [] : await this.#changesOf(replica, count, session);
        const kept = await this.#inOrder(() => this.#keep(machine, replica, changes, session));
        if (kept !== undefined) return kept;
      } finally {
        session.end();
        giveBack?.();
      }
    }
  }

  /** How much of a replica is not as in the newest shadow copy; nothing if one of the two can't be read. */
  async #changesOf(replica: Listing, count: CountChanges, session: IngestSession): Promise<readonly VolumeChange[]> {
    const latest = this.#parts.catalog.latest(replica.machine);
    if (latest === undefined) return [];
    const giveBack = this.#parts.leases.take(latest);
    try {
      return await count(await this.#parts.record(latest), await this.#parts.record(replica), session);
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) return [];
      throw error;
    } finally {
      giveBack();
    }
  }

  /** @returns undefined if the machine's replica is another one by now */
  async #keep(
    machine: string,
    replica: Listing | undefined,
    changes: readonly VolumeChange[],
    session: IngestSession,
  ): Promise<KeptReplica | undefined> {
    const { catalog } = this.#parts;
    const now = catalog.replica(machine);
    if (now === undefined) {
      return { record: await this.#parts.record(catalog.find(machine, 'latest')), isNew: false };
    }
    if (now !== replica) return undefined;
    return { record: await this.#list(session, await this.#shadowCopyOf(now), changes), isNew: true };
  }

  /** As {@link Store.forget}; of a replica, have the machine have none. */
  async forget(listing: Listing, { oneStays }: ForgetOptions): Promise<boolean> {
    const { machine, name, order, isReplica } = listing;
    const { meta, catalog } = this.#parts;
    return await this.#inOrder(async () => {
      const isListed =
        isReplica === true
          ? catalog.replica(machine) === listing
          : catalog.shadowCopies(machine).some((other) => other.name === name && other.order === order);
      if (!isListed) return false;
      const holder = this.#parts.leases.holder(listing);
      if (holder !== undefined) {
        throw new UmbraError('SHADOW_COPY_OPEN', `${machine}@${name} is in use: ${holder}`, {
          hint: 'Close the file or wait for the command, then try again.',
        });
      }
      const isLast = isReplica !== true && catalog.shadowCopies(machine).length === 1;
      if (isLast && oneStays) throw lastShadowCopyError(machine);
      await this.#bury(listing);
      const gone = isReplica === true ? deleteReplica(machine) : deleteListing(machine, name);
      const changes = isLast ? await this.#parts.changes.forgetMachine(machine) : [];
      await meta.write([gone, ...changes], { sync: true });
      if (isReplica === true) {
        catalog.removeReplica(machine);
        this.#endedReplicas += 1;
      } else catalog.remove(machine, name);
      this.#namesGone.add(`${machine}\0${name}`);
      return true;
    });
  }

  /**
   * What a collection begins with: what is listed, or leased, in this instant. Of replicas that were replaced, and are leased, a tombstone
   * then says that they are deleted: their records stay, and those go of what replaced them, by which alone one knew that they are not the last.
   */
  async roots(): Promise<readonly Listing[]> {
    const { catalog, leases } = this.#parts;
    const leased = leases.listings();
    const roots = [...catalog.all(), ...catalog.replicas(), ...leased];
    await this.#inOrder(async () => {
      for (const listing of leased) {
        const isFormer = listing.isReplica === true && catalog.replica(listing.machine) !== listing;
        if (isFormer && !this.#buried.has(listing)) await this.#bury(listing);
      }
    });
    return roots;
  }

  async #bury(listing: Listing): Promise<void> {
    const { record, machine, name } = listing;
    const session = this.#parts.openSession();
    try {
      const tombstone: TombstoneRecord = { record, machine, name, timeMs: this.#parts.clock.now() };
      await session.addLast(ObjectType.tombstone, packRecord(tombstone));
      await session.barrier();
      this.#buried.add(listing);
    } finally {
      session.end();
    }
  }

  /** Its record comes after that of all that is listed: that is how a replica that is out of date is told from one that holds. */
  async #list(
    session: IngestSession,
    named: ShadowCopyRecord,
    changes: readonly VolumeChange[],
  ): Promise<ShadowCopyRecord> {
    const { meta, catalog } = this.#parts;
    const { machine, isReplica } = named;
    const { operations, ...judged } = await this.#judge(named, changes);
    const complete = { ...named, ...judged };
    const { digest, sequence: order } = await session.addLast(ObjectType.record, packRecord(complete));
    await session.barrier();
    const listing = listingOf(complete, digest, order);
    const before = catalog.replica(machine);
    const ends = before !== undefined && isReplica !== true ? [deleteReplica(machine)] : [];
    await meta.write([...listOperations(listing, complete), ...ends, ...operations], { sync: true });
    catalog.insert(listing);
    if (before !== undefined) await this.#retire(before);
    return complete;
  }

  /** A replica is not judged: with the next shadow copy it is, in which all that has changed since the one before counts. */
  async #judge(record: ShadowCopyRecord, changes: readonly VolumeChange[]): Promise<JudgedChange> {
    return record.isReplica === true ? { operations: [] } : await this.#parts.changes.judge(record, changes);
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
