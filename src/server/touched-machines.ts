import { isUmbraError, messageOf } from '../common/errors.js';
import type { Listing } from '../store/catalog.js';
import { objectName } from '../store/keys.js';
import { quarantined } from '../store/object-index.js';
import type { Store } from '../store/store.js';

/** What was found in a shadow copy. */
interface Looked {
  readonly listing: Listing;
  /** What was known to be damaged then: how often something was found, and how much of it there was. */
  readonly epoch: number;
  readonly count: number;
  /** When the newest of what is damaged in it was found; undefined if nothing is. */
  readonly sinceMs: number | undefined;
}

type Now = Omit<Looked, 'sinceMs'>;

/**
 * Knows in which machines' newest shadow copies something is damaged. A shadow copy is read again only for what may have changed that: it is another
 * one, something more was found damaged, or something is whole again of which it may have had some.
 */
export class TouchedMachines {
  readonly #now: () => number;
  #store: Store | undefined;
  readonly #looked = new Map<string, Looked>();

  /** @param now the wall clock's time */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** When the newest of what is damaged in a machine's newest shadow copy was found; undefined if nothing is. */
  since(machine: string): number | undefined {
    return this.#looked.get(machine)?.sinceMs;
  }

  /** The same of all of them, by their names in order. */
  all(): Map<string, number> {
    const all = [...this.#looked].flatMap(([machine, { sinceMs }]) =>
      sinceMs === undefined ? [] : [[machine, sinceMs] as const],
    );
    return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /**
   * Bring it up to date. A machine that the disk fails to read keeps none of the others from it: what was found out of it stays, and it is
   * looked at again the next time.
   * @returns those machines, and why
   * @throws {UmbraError} what `signal` was aborted with
   */
  async look(store: Store, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    // One that was rebuilt counts anew.
    if (this.#store !== store) this.#looked.clear();
    this.#store = store;
    const unread = new Map<string, string>();
    if (!store.objectStore.hasDamage) {
      this.#looked.clear();
      return unread;
    }
    const machines = new Set(store.catalog.machines());
    for (const machine of this.#looked.keys()) if (!machines.has(machine)) this.#looked.delete(machine);
    const times = new FoundTimes(store);
    for (const machine of machines) {
      const now = whatIsNow(machine, store);
      if (now === undefined) this.#looked.delete(machine);
      // Nearly all are known: they are passed over without a turn of the event loop for each.
      else if (!holds(this.#looked.get(machine), now)) {
        signal.throwIfAborted();
        const why = await this.#lookAt(machine, now, store, times, signal);
        if (why !== undefined) unread.set(machine, why);
      }
    }
    return unread;
  }

  /** @returns why it can't be read, if it can't */
  async #lookAt(
    machine: string,
    now: Now,
    store: Store,
    times: FoundTimes,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { listing } = now;
    // In the instant in which it is seen to be listed: what is deleted from now on keeps its data until it is given back.
    const giveBack = store.leases.take(listing);
    try {
      this.#looked.set(machine, { ...now, sinceMs: await this.#newestIn(listing, store, times, signal) });
      return undefined;
    } catch (error) {
      if (!isUmbraError(error, 'STORE_FAILED')) throw error;
      return messageOf(error);
    } finally {
      giveBack();
    }
  }

  async #newestIn(listing: Listing, store: Store, times: FoundTimes, signal: AbortSignal): Promise<number | undefined> {
    let newestMs: number | undefined;
    try {
      for (const volume of (await store.record(listing)).volumes) {
        for await (const { type, digest } of store.objectStore.survey.placesIn(volume, signal)) {
          const foundMs = (await times.of(objectName(type, digest))) ?? this.#now();
          newestMs = Math.max(foundMs, newestMs ?? foundMs);
        }
      }
    } catch (error) {
      // Its record is damaged: the next backup stands on its own.
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      return Math.max(newestMs ?? listing.timeMs, listing.timeMs);
    }
    return newestMs;
  }
}

function whatIsNow(machine: string, store: Store): Now | undefined {
  const listing = store.catalog.latest(machine);
  if (listing === undefined) return undefined;
  const { damageEpoch: epoch, quarantined } = store.objectStore;
  return { listing, epoch, count: quarantined.size };
}

/** What heals elsewhere takes nothing from a shadow copy in which nothing was damaged. */
function holds(looked: Looked | undefined, now: Now): boolean {
  if (looked === undefined || looked.listing !== now.listing || looked.epoch !== now.epoch) return false;
  return looked.sinceMs === undefined || looked.count === now.count;
}

/** When damaged objects were found, read once for all who ask, and only if somebody does. */
class FoundTimes {
  readonly #store: Store;
  #times: Promise<ReadonlyMap<string, number>> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  async of(name: string): Promise<number | undefined> {
    this.#times ??= this.#read();
    return (await this.#times).get(name);
  }

  async #read(): Promise<ReadonlyMap<string, number>> {
    const times = new Map<string, number>();
    for await (const { type, digest, timeMs } of quarantined(this.#store.objectStore.meta))
      times.set(objectName(type, digest), timeMs);
    return times;
  }
}
