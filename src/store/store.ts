import { ObjectType } from '../codec/formats.js';
import { FrameSeal, type FrameKeys } from '../codec/frame-seal.js';
import type { Clock } from '../common/clock.js';
import { readBoot, type Boot } from '../system/boot-time.js';
import type { Catalog } from './catalog.js';
import { Changes } from './changes.js';
import { withCheck } from './checked.js';
import { collect, type CollectOptions, type CollectResult } from './collect.js';
import { Commits, type CountChanges, type KeptReplica } from './commits.js';
import type { FormatRecord } from './format-record.js';
import { objectName, storeKey } from './keys.js';
import { AlertRecords } from './alert-records.js';
import { JobRecords } from './job-records.js';
import type { KvStore } from './kv.js';
import { Leases } from './leases.js';
import { highestIndexed, quarantined as quarantinedObjects } from './object-index.js';
import { readSummaries, type Listing } from './listing.js';
import type { ObjectReader } from './object-reader.js';
import { ObjectStore } from './object-store.js';
import { adoptUnindexed, highestObject, quarantineLost, recoverCatalog } from './recover.js';
import { parseShadowCopyRecord, type ShadowCopyRecord } from './records.js';
import type { NewRecord } from './new-record.js';
import type { ForgetOptions } from './one-stays.js';
import type { IngestSession } from './session.js';
import { leastAgeMs, protectedError, protectedForMs } from './protection.js';
import { assertSameStore, readHighWater } from './store-marks.js';
import type { Moment } from './scrub-plan.js';
import { StoredPolicies } from './stored-policies.js';
import { StoredSettings } from './stored-settings.js';
import { TrustedTime } from './trusted-time.js';
import type { Settings } from './settings.js';

export interface StoreParts {
  readonly format: FormatRecord;
  readonly objects: KvStore;
  /** Of an encrypted store, {@link sealMeta}'s. */
  readonly meta: KvStore;
  /** What objects are sealed with, in an encrypted store. */
  readonly keys?: FrameKeys | undefined;
  readonly clock: Clock;
  /** As {@link ObjectLog} takes it. */
  readonly syncedBytes?: number;
  /** The system's without it. */
  readonly boot?: () => Boot;
  /** As {@link ObjectStore} takes it. */
  readonly admit?: (bytes: number) => Promise<void>;
  /** As {@link StoredSettings} takes it. */
  readonly spend?: ((task: () => Promise<void>) => Promise<void>) | undefined;
}

/** A shadow copy, or a replica, and how much time has certainly passed since it was stored. */
export interface AgedListing {
  readonly name: string;
  readonly timeMs: number;
  readonly isReplica: boolean;
  readonly leastAgeMs: number;
}

/** A store: objects, the catalog of shadow copies, and who is using them. */
export class Store {
  readonly format: FormatRecord;
  /** What objects are sealed with, for worker threads. */
  readonly keys: FrameKeys | undefined;
  readonly leases = new Leases();
  readonly objectStore: ObjectStore;
  readonly policies: StoredPolicies;
  /** How much of machines' data changes, and what is kept since too much did. */
  readonly changes: Changes;
  readonly #trusted: TrustedTime;
  /** What the scheduler notes. */
  readonly jobs: JobRecords;
  /** What somebody has to be told, and was. */
  readonly alerts: AlertRecords;
  readonly #meta: KvStore;
  readonly #clock: Clock;
  readonly #commits: Commits;
  readonly #catalog: Catalog;
  readonly #settings: StoredSettings;

  private constructor(parts: StoreParts, objectStore: ObjectStore, catalog: Catalog, trusted: TrustedTime) {
    this.format = parts.format;
    this.keys = parts.keys;
    this.objectStore = objectStore;
    this.jobs = new JobRecords(parts.meta);
    this.alerts = new AlertRecords(parts.meta);
    this.#meta = parts.meta;
    this.#clock = parts.clock;
    this.#catalog = catalog;
    this.#trusted = trusted;
    this.policies = new StoredPolicies(this, parts.clock);
    this.changes = new Changes(this, parts.meta, parts.clock);
    this.#settings = new StoredSettings({
      ...parts,
      objectStore,
      openSession: () => this.openSession(),
      keep: (before, after) => this.policies.keepProtection(before, after, trusted.now()),
    });
    this.#commits = new Commits({
      meta: parts.meta,
      catalog,
      leases: this.leases,
      clock: parts.clock,
      changes: this.changes,
      openSession: () => this.openSession(),
      record: (listing) => this.record(listing),
      protection: (record) => this.#protection(record),
    });
  }

  /**
   * A store over two open databases; both may be empty.
   * @throws {UmbraError} STORE_DAMAGED, STORE_FOREIGN
   */
  static async open(parts: StoreParts): Promise<Store> {
    const { format, objects, meta, clock, keys } = parts;
    const seal = keys === undefined ? undefined : new FrameSeal(keys);
    await assertSameStore(meta, format.id);
    const highest = await highestObject(objects);
    await adoptUnindexed(objects, meta, seal);
    await quarantineLost(meta, highest, clock.now());
    const catalog = await recoverCatalog({ objects, seal }, meta);
    const highWater = await readHighWater(meta);
    const nextSequence = Math.max(highWater, (await highestIndexed(meta)) + 1, highest + 1);
    const quarantined = new Set<string>();
    for await (const { type, digest } of quarantinedObjects(meta)) quarantined.add(objectName(type, digest));
    const objectStore = new ObjectStore({
      objects,
      meta,
      compression: format.compression,
      seal,
      clock,
      nextSequence,
      highWater,
      quarantined,
      syncedBytes: parts.syncedBytes,
      admit: parts.admit,
    });
    const trusted = await TrustedTime.open({
      meta,
      clock,
      boot: parts.boot ?? readBoot,
      listings: [...catalog.all(), ...catalog.replicas()],
    });
    const store = new Store(parts, objectStore, catalog, trusted);
    await store.#claim();
    return store;
  }

  /** Which shadow copies are listed. */
  get catalog(): Catalog {
    return this.#catalog;
  }

  /** A moment by both clocks: see TrustedTime. */
  moment(): Moment {
    return { wallMs: this.#clock.now(), trustedMs: this.#trusted.now() };
  }

  get reader(): ObjectReader {
    return this.objectStore.reader;
  }

  /** A session for a backup. */
  openSession(): IngestSession {
    return this.objectStore.openSession();
  }

  /** @throws {UmbraError} STORE_DAMAGED */
  async record(listing: Listing): Promise<ShadowCopyRecord> {
    return parseShadowCopyRecord(await this.reader.read(ObjectType.record, listing.record));
  }

  /**
   * List a new shadow copy: its record is made durable, then its listing. Everything that it refers to was added to
   * `session`, or belongs to a leased shadow copy. A replica of the machine is out of date then, and there is none.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED
   */
  commit(session: IngestSession, record: NewRecord): Promise<ShadowCopyRecord> {
    return this.#commits.commit(session, record, false);
  }

  /**
   * The same, as the machine's replica: instead of the one before, and not listed. What changes with it counts with the next shadow copy.
   * @throws {UmbraError} STORE_FULL, STORE_FAILED
   */
  commitReplica(session: IngestSession, record: NewRecord): Promise<ShadowCopyRecord> {
    return this.#commits.commit(session, record, true);
  }

  /**
   * Make a shadow copy of a machine's replica: it has the replica's name, time and consistency.
   * @param count counts how much of it is not as in the newest shadow copy
   * @returns the newest shadow copy, if that is as new
   * @throws {UmbraError} NOT_FOUND if the machine has neither; STORE_FULL, STORE_FAILED, STORE_DAMAGED
   */
  keepReplica(machine: string, count: CountChanges): Promise<KeptReplica> {
    return this.#commits.keepReplica(machine, count);
  }

  /**
   * Take a shadow copy off the list, or have a machine have no replica. Its tombstone is durable first, so that rebuilding does not bring it
   * back. A replica has no minimum age: the next one would replace it at any time.
   * @returns false if somebody else has done that already
   * @throws {UmbraError} SHADOW_COPY_PROTECTED, SHADOW_COPY_HELD, SHADOW_COPY_OPEN, LAST_SHADOW_COPY, STORE_FULL, STORE_FAILED
   */
  async forget(listing: Listing, options: ForgetOptions = { oneStays: false }): Promise<boolean> {
    await this.assertUnprotected(listing);
    return await this.#commits.forget(listing, options);
  }

  /**
   * Refuse to delete a shadow copy that nobody may delete yet.
   * @throws {UmbraError} SHADOW_COPY_PROTECTED, SHADOW_COPY_HELD; STORE_DAMAGED if it is not known what holds
   */
  async assertUnprotected(listing: Listing): Promise<void> {
    if (listing.isReplica === true) return;
    const { policy } = await this.policies.policyOf(listing.machine);
    const { formerMinimums = [] } = this.settings;
    const leftMs = protectedForMs(listing, policy.minimumAgeMs, formerMinimums, this.#trusted);
    if (leftMs > 0) throw protectedError(listing, leftMs, this.#clock.now());
    this.changes.assertNotHeld(listing);
  }

  /** The newest shadow copy of a machine, and how much time has certainly passed since it was stored. */
  newest(machine: string): AgedListing | undefined {
    return this.#aged(this.#catalog.latest(machine));
  }

  /** The same of the newest that there is: the machine's replica, or its newest shadow copy. */
  upToDate(machine: string): AgedListing | undefined {
    return this.#aged(this.#catalog.upToDate(machine));
  }

  /** How many replicas a shadow copy has replaced, or somebody dropped, since it was opened: what they alone held is for a collection. */
  get endedReplicas(): number {
    return this.#commits.endedReplicas;
  }

  /** Asked for all machines again and again: what nobody needs is left out. */
  #aged(listing: Listing | undefined): AgedListing | undefined {
    if (listing === undefined) return undefined;
    const { name, timeMs, isReplica = false } = listing;
    return { name, timeMs, isReplica, leastAgeMs: leastAgeMs(listing, this.#trusted) };
  }

  /** How a new shadow copy is protected. */
  async #protection({
    machine,
    host,
  }: Pick<ShadowCopyRecord, 'machine' | 'host'>): Promise<Pick<ShadowCopyRecord, 'storedAtMs' | 'minimumAgeMs'>> {
    const storedAtMs = this.#trusted.now();
    const minimumAgeMs = await this.policies.minimumAgeOf(machine, host);
    return minimumAgeMs === 0 ? { storedAtMs } : { storedAtMs, minimumAgeMs };
  }

  /** Delete what no shadow copy refers to. */
  async collect(options: Omit<CollectOptions, 'roots'>): Promise<CollectResult> {
    // Of settings the newest that can be read stay.
    await this.mendSettings();
    return collect(this.objectStore, { ...options, roots: () => this.#commits.roots() });
  }

  /** What lists show of these shadow copies. @throws {UmbraError} STORE_DAMAGED */
  summaries(listings: readonly Listing[]): ReturnType<typeof readSummaries> {
    return readSummaries(this.#meta, listings);
  }

  get settings(): Settings {
    return this.#settings.current;
  }

  /** See {@link StoredSettings.update}. */
  updateSettings(change: (settings: Settings) => Settings): Promise<void> {
    return this.#settings.update(change);
  }

  /** See {@link StoredSettings.mend}. */
  mendSettings(): Promise<void> {
    return this.#settings.mend();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#trusted.close();
    await this.#settings.close();
    await this.objectStore.objects.close();
    await this.#meta.close();
  }

  /** See to it that there are settings, and write the store's id into a new `meta`. */
  async #claim(): Promise<void> {
    await this.#settings.load();
    await this.policies.prepare(this.settings);
    if ((await this.#meta.get(storeKey)) !== undefined) return;
    const id = Buffer.from(this.format.id);
    await this.#meta.write([{ type: 'put', key: storeKey, value: withCheck(storeKey, id) }], { sync: true });
  }
}
