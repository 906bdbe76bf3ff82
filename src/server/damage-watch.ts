import type { Alerts } from '../alerts/alert.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { Listing } from '../store/catalog.js';
import { objectName } from '../store/keys.js';
import { leaseUnlessDeleted } from '../store/leases.js';
import { quarantined } from '../store/object-index.js';
import type { FileDamage } from '../store/scrub-marks.js';
import type { Store } from '../store/store.js';

/** Reads of mounts and restores find damage, too. */
const LOOK_MS = 30_000;
/** More machines are counted. */
const MOST_NAMED = 5;

export interface DamageWatchOptions {
  /** @throws {UmbraError} STORE_IN_USE while it is rebuilt */
  readonly store: () => Promise<Store>;
  /** Damage of files of the databases, as far as it is known. */
  readonly fileDamage: () => readonly FileDamage[];
  /** What has to be read again has changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts: Alerts;
}

/**
 * Watches what is known to be damaged: says so, once, and when it is over; and knows which machines' next backups may heal it. Nothing of
 * this is noted: it follows from the quarantine, which is durable, and from the shadow copies.
 */
export class DamageWatch {
  readonly #options: DamageWatchOptions;
  #since = new Map<string, number>();
  #seen = '';
  #cancelTimer = (): void => undefined;
  #last: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  constructor(options: DamageWatchOptions) {
    this.#options = options;
  }

  /** Something may have changed. Resolves when that is known. */
  look(): Promise<void> {
    this.#last = this.#last.then(() => this.#look());
    return this.#last;
  }

  async stop(): Promise<void> {
    this.#stop.abort(new UmbraError('SERVER_STOPPING', 'the server is shutting down'));
    this.#cancelTimer();
    await this.#last;
  }

  /** When the newest of what is damaged in a machine's newest shadow copy was found; undefined if nothing is. */
  since(machine: string): number | undefined {
    return this.#since.get(machine);
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #look(): Promise<void> {
    this.#cancelTimer();
    if (this.#isStopped()) return;
    try {
      await this.#compare(await this.#options.store());
    } catch (error) {
      // While the store is rebuilt nobody knows; and the next look comes soon.
      if (this.#isStopped()) return;
      if (!isUmbraError(error)) throw error;
      this.#options.log.warn('damage is not watched', { error: messageOf(error) });
    }
    this.#cancelTimer = this.#options.clock.after(LOOK_MS, () => {
      void this.look();
    });
  }

  async #compare(store: Store): Promise<void> {
    const { quarantined: names, damageEpoch } = store.objectStore;
    const files = this.#options.fileDamage().length;
    const isDamaged = names.size + files > 0;
    const newest = isDamaged ? store.catalog.machines().flatMap((machine) => store.catalog.latest(machine) ?? []) : [];
    const now = isDamaged
      ? `${damageEpoch} ${names.size} ${files} ${newest.map(({ order }) => order).join(' ')}`
      : 'none';
    if (now === this.#seen) return;
    const found = names.size === 0 ? new Map<string, number>() : await this.#machinesWith(store, newest);
    this.#tell(names.size + files, found);
    const isOther = !sameTimes(found, this.#since);
    this.#since = found;
    this.#seen = now;
    if (isOther) this.#options.onChange();
  }

  /** The machines in whose newest shadow copy something is damaged. */
  async #machinesWith(store: Store, newest: readonly Listing[]): Promise<Map<string, number>> {
    const foundMs = new Map<string, number>();
    for await (const { type, digest, timeMs } of quarantined(store.objectStore.meta))
      foundMs.set(objectName(type, digest), timeMs);
    const machines = new Map<string, number>();
    const { survey } = store.objectStore;
    for (const listing of newest) {
      // What was deleted meanwhile may be collected; there is another newest one then, or none, at the next look.
      const giveBack = leaseUnlessDeleted(store, listing);
      if (giveBack === undefined) continue;
      try {
        for (const volume of (await store.record(listing)).volumes) {
          for await (const { type, digest } of survey.placesIn(volume, this.#stop.signal)) {
            const since = foundMs.get(objectName(type, digest)) ?? this.#options.clock.now();
            machines.set(listing.machine, Math.max(since, machines.get(listing.machine) ?? 0));
          }
        }
      } catch (error) {
        // Its record is damaged: the next backup stands on its own.
        if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
        machines.set(listing.machine, Math.max(machines.get(listing.machine) ?? 0, listing.timeMs));
      } finally {
        giveBack();
      }
    }
    return machines;
  }

  #tell(count: number, machines: ReadonlyMap<string, number>): void {
    const { alerts } = this.#options;
    if (count === 0) {
      alerts.end('damage', 'store', 'nothing that is known is damaged any more');
      return;
    }
    const names = [...machines.keys()];
    const more = names.length - MOST_NAMED;
    const named = `${names.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    const what = count === 1 ? 'one object of the store is damaged' : `${count} objects of the store are damaged`;
    const where = names.length === 0 ? 'the newest shadow copies do not hold it' : `it is in the newest of ${named}`;
    alerts.begin({
      kind: 'damage',
      subject: 'store',
      severity: 'critical',
      text: `${what}: ${where}`,
      advice: 'Run "umbra damage": it names the shadow copies and files, and what heals them.',
      facts: { objects: count, machines: names.length },
    });
  }
}

function sameTimes(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([machine, timeMs]) => b.get(machine) === timeMs);
}
