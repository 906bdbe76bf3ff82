import type { Alerts } from '../alerts/alert.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { FileDamage } from '../store/scrub-marks.js';
import type { Store } from '../store/store.js';
import { TouchedMachines } from './touched-machines.js';

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
  readonly #touched: TouchedMachines;
  #told: ReadonlyMap<string, number> = new Map();
  /** Machines of which it was said that they can't be read. */
  #unread: ReadonlySet<string> = new Set();
  #cancelTimer = (): void => undefined;
  #last: Promise<void> = Promise.resolve();
  /** One that has not begun. */
  #next: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(options: DamageWatchOptions) {
    this.#options = options;
    this.#touched = new TouchedMachines(() => options.clock.now());
  }

  /** Something may have changed. Resolves when that is known. However many ask meanwhile, one look that begins later sees what they mean. */
  look(): Promise<void> {
    this.#next ??= this.#last.then(async () => {
      this.#next = undefined;
      await this.#look();
    });
    this.#last = this.#next;
    return this.#last;
  }

  async stop(): Promise<void> {
    this.#stop.abort(new UmbraError('SERVER_STOPPING', 'the server is shutting down'));
    this.#cancelTimer();
    await this.#last;
  }

  /** When the newest of what is damaged in a machine's newest shadow copy was found; undefined if nothing is. */
  since(machine: string): number | undefined {
    return this.#touched.since(machine);
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
    this.#sayUnread(await this.#touched.look(store, this.#stop.signal));
    const touched = this.#touched.all();
    this.#tell(store.objectStore.quarantined.size + this.#options.fileDamage().length, touched);
    const isOther = !sameTimes(touched, this.#told);
    this.#told = touched;
    if (isOther) this.#options.onChange();
  }

  /** A disk that fails does so with each look: of a machine it is said once. */
  #sayUnread(unread: ReadonlyMap<string, string>): void {
    const { log } = this.#options;
    const [first, ...others] = [...unread].filter(([machine]) => !this.#unread.has(machine));
    if (first !== undefined) {
      const machines = inShort([first, ...others].map(([machine]) => machine));
      log.warn('damage is not watched in all machines', { machines, error: first[1] });
    }
    if (unread.size === 0 && this.#unread.size > 0) log.info('damage is watched in all machines again');
    this.#unread = new Set(unread.keys());
  }

  #tell(count: number, machines: ReadonlyMap<string, number>): void {
    const { alerts } = this.#options;
    if (count === 0) {
      alerts.end('damage', 'store', 'nothing that is known is damaged any more');
      return;
    }
    const names = [...machines.keys()];
    const what = count === 1 ? 'one object of the store is damaged' : `${count} objects of the store are damaged`;
    alerts.begin({
      kind: 'damage',
      subject: 'store',
      severity: 'critical',
      text: `${what}: ${whereOf(names, [...this.#unread])}`,
      advice: 'Run "umbra damage": it names the shadow copies and files, and what heals them.',
      facts: { objects: count, machines: names.length },
    });
  }
}

function whereOf(touched: readonly string[], unread: readonly string[]): string {
  const known = touched.length === 0 ? [] : [`it is in the newest of ${inShort(touched)}`];
  const unknown = unread.length === 0 ? [] : [`the newest of ${inShort(unread)} can't be read`];
  return [...known, ...unknown].join('; ') || 'the newest shadow copies do not hold it';
}

function inShort(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return `${names.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function sameTimes(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([machine, timeMs]) => b.get(machine) === timeMs);
}
