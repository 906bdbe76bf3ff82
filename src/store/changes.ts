import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { DEFAULT_POLICY } from '../policies/default-policy.js';
import { suddenChange, type Sensitivity, type SuddenChange } from '../policies/sudden-change.js';
import { policyOf } from '../policies/resolve-policy.js';
import type { Acknowledgement } from './acknowledgement.js';
import type { Catalog, Listing } from './catalog.js';
import { forgetOldChanges, rememberedChanges, totalOf, type RememberedChange } from './change-history.js';
import { changeKey } from './keys.js';
import type { KvOperation, KvReader } from './kv.js';
import type { ShadowCopyRecord } from './records.js';
import type { Settings } from './settings.js';
import type { ShadowCopyChange, VolumeChange } from './shadow-copy-change.js';
import type { StoredPolicies } from './stored-policies.js';

/** What this needs of a store. */
export interface ChangesStore {
  readonly settings: Settings;
  readonly catalog: Catalog;
  readonly policies: Pick<StoredPolicies, 'document' | 'withHosts'>;
  readonly updateSettings: (change: (settings: Settings) => Settings) => Promise<void>;
}

/** A shadow copy with which too much changed, and since which nothing older of its machine is deleted. */
export type Hold = Listing & { readonly sudden: NonNullable<Listing['sudden']> };

/** What is found out about a shadow copy that is being made. */
export interface JudgedChange {
  /** For its record. */
  readonly change?: ShadowCopyChange;
  /** What goes with its listing. */
  readonly operations: readonly KvOperation[];
}

/**
 * How much of machines' data changes, and what is kept since too much of it did: from the first shadow copy with which it did, and that nobody
 * has acknowledged, the older ones of that machine stay, and so does that one. Whether too much changed stands in the shadow copy's record, so
 * there is no moment at which it is listed and its machine's older ones are not kept.
 */
export class Changes {
  readonly #store: ChangesStore;
  readonly #meta: KvReader;
  readonly #clock: Clock;

  constructor(store: ChangesStore, meta: KvReader, clock: Clock) {
    this.#store = store;
    this.#meta = meta;
    this.#clock = clock;
  }

  /** Compare what changed with what usually does. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async judge(
    { machine, host }: Pick<ShadowCopyRecord, 'machine' | 'host'>,
    volumes: readonly VolumeChange[],
  ): Promise<JudgedChange> {
    const latest = this.#store.catalog.latest(machine);
    if (latest === undefined || volumes.length === 0) return { operations: [] };
    const remembered = await rememberedChanges(this.#meta, machine);
    const atMs = this.#clock.now();
    // A clock that was set back makes nothing usual that is not.
    const elapsedMs = Math.max(0, atMs - (remembered.at(-1)?.atMs ?? latest.timeMs));
    const sensitivity = await this.#sensitivityOf(machine, host);
    const sudden = suddenChange(this.#usual(machine, remembered), totalOf({ elapsedMs, volumes }), sensitivity);
    return {
      change: { elapsedMs, atMs, volumes, ...(sudden && { sudden: { ...sudden, volume: mostIn(volumes, sudden) } }) },
      operations: forgetOldChanges(machine, remembered, atMs),
    };
  }

  /** Since when nothing of a machine is deleted, if that is so. */
  hold(machine: string): Hold | undefined {
    const acknowledged = this.#acknowledged(machine);
    return this.#store.catalog
      .shadowCopies(machine)
      .find((listing): listing is Hold => listing.sudden !== undefined && listing.order > acknowledged);
  }

  /** All of them, by machine. */
  holds(): readonly Hold[] {
    return this.#store.catalog.machines().flatMap((machine) => this.hold(machine) ?? []);
  }

  /** Whether nobody deletes it, since too much changed with it or a later one. */
  isHeld({ machine, order }: Listing): boolean {
    return order <= (this.hold(machine)?.order ?? -1);
  }

  /** @throws {UmbraError} SHADOW_COPY_HELD for one that is kept since too much has changed */
  assertNotHeld(listing: Listing): void {
    const { machine, name } = listing;
    const hold = this.hold(machine);
    if (hold === undefined || listing.order > hold.order) return;
    throw new UmbraError(
      'SHADOW_COPY_HELD',
      `${machine}@${name} is kept: too much had changed in ${machine}@${hold.name}`,
      {
        hint: `See whether its data is as it should be; "umbra acknowledge ${machine}" lets it be deleted again.`,
      },
    );
  }

  /**
   * What has changed so far is as it should be: nothing is kept for it any more, and it counts as usual. Durable when this resolves.
   * @param by for people
   * @returns since when it was kept
   * @throws {UmbraError} NOT_FOUND for a machine without shadow copies, BAD_ARGUMENT if nothing is kept; STORE_FULL, STORE_FAILED
   */
  async acknowledge(machine: string, by: string): Promise<Hold> {
    const { name: shadowCopy, order } = this.#store.catalog.find(machine, 'latest');
    const hold = this.hold(machine);
    if (hold === undefined) {
      throw new UmbraError('BAD_ARGUMENT', `there is nothing to acknowledge: no change of ${machine} was too sudden`, {
        hint: '"umbra status" shows the machines of which nothing is deleted since too much has changed.',
      });
    }
    const entry: Acknowledgement = { machine, shadowCopy, order, atMs: this.#clock.now(), by };
    await this.#store.updateSettings(({ acknowledged = [], ...settings }) => ({
      ...settings,
      acknowledged: [...acknowledged.filter((other) => other.machine !== machine), entry],
    }));
    return hold;
  }

  /** The operations that forget how much changed in a machine that has no shadow copies any more. */
  async forgetMachine(machine: string): Promise<KvOperation[]> {
    const changes = await rememberedChanges(this.#meta, machine);
    return changes.map(({ order }) => ({ type: 'del', key: changeKey(machine, order) }));
  }

  /** Those that somebody may have looked at: from the first that was too much on they are not, until it is acknowledged. */
  #usual(machine: string, remembered: readonly RememberedChange[]): readonly RememberedChange[] {
    const acknowledged = this.#acknowledged(machine);
    const first = remembered.findIndex(({ order, isSudden }) => isSudden && order > acknowledged);
    return first < 0 ? remembered : remembered.slice(0, first);
  }

  #acknowledged(machine: string): number {
    return this.#store.settings.acknowledged?.find((entry) => entry.machine === machine)?.order ?? -1;
  }

  /** Of policies that can't be understood, and of those that may be too old, none turns it off. */
  async #sensitivityOf(machine: string, host: string | undefined): Promise<Sensitivity> {
    if (this.#store.settings.policiesInDoubt === true) return DEFAULT_POLICY.suddenChange;
    try {
      const { policies } = this.#store.policies.document();
      const [found] = await this.#store.policies.withHosts([machine]);
      return policyOf(policies, machine, found?.host ?? host).policy.suddenChange;
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) return DEFAULT_POLICY.suddenChange;
      throw error;
    }
  }
}

/** The volume in which most of it is. */
function mostIn(volumes: readonly VolumeChange[], { kind }: SuddenChange): string {
  const bytesOf = (volume: VolumeChange): number =>
    kind === 'changed' ? volume.changedBytes : volume.incompressibleBytes;
  return volumes.reduce((most, volume) => (bytesOf(volume) > bytesOf(most) ? volume : most)).name;
}
