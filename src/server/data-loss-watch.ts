import type { AlertBoard, NewAlert } from '../alerts/alert.js';
import { durationText } from '../common/durations.js';
import { messageOf } from '../common/errors.js';
import type { Clock } from '../common/clock.js';
import type { Log } from '../common/log.js';
import type { WatchedMachine } from '../scheduler/fleet.js';

/** It is looked again after so long at the latest: clocks are set, and computers sleep. */
const LONGEST_SLEEP_MS = 60 * 60_000;

export interface DataLossWatchOptions {
  /** @param only this one, if it is protected; all without it. @throws {UmbraError} STORE_IN_USE while the store is rebuilt */
  readonly machines: (only?: string) => readonly WatchedMachine[];
  /** Told of every breach, as long as it goes on. */
  readonly alerts: AlertBoard;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Logs, and tells, when a machine's newest shadow copy becomes older than its policy accepts, and when that is over: each once. It sleeps until the next
 * moment at which one does, and looks when something has happened. A server that starts says once what it finds.
 */
export class DataLossWatch {
  readonly #options: DataLossWatchOptions;
  readonly #inBreach = new Set<string>();
  #cancelTimer = (): void => undefined;
  /** When it looks again, by the monotonic clock. */
  #wakeMs = Infinity;
  #isStopped = false;

  constructor(options: DataLossWatchOptions) {
    this.#options = options;
  }

  /** Something has happened that may matter: a shadow copy was made or deleted, machines or policies have changed. */
  look(): void {
    this.#cancelTimer();
    if (this.#isStopped) return;
    let sleepMs = LONGEST_SLEEP_MS;
    try {
      sleepMs = this.#compare(this.#options.machines());
    } catch (error) {
      // Whoever holds the store tells when that has ended.
      this.#options.log.warn('data loss is not watched', { error: messageOf(error) });
    }
    this.#sleep(Math.min(sleepMs, LONGEST_SLEEP_MS));
  }

  /** The same, and of this machine alone: the others are as they were. */
  lookAt(machine: string): void {
    if (this.#isStopped) return;
    try {
      const [watched] = this.#options.machines(machine);
      if (watched === undefined) this.#end(machine);
      else this.#judge(watched);
      const breachInMs = watched?.breachInMs ?? Infinity;
      if (this.#options.clock.monotonic() + breachInMs < this.#wakeMs) this.#sleep(breachInMs);
    } catch (error) {
      this.#options.log.warn('data loss is not watched', { error: messageOf(error) });
    }
  }

  #sleep(delayMs: number): void {
    this.#cancelTimer();
    this.#wakeMs = this.#options.clock.monotonic() + delayMs;
    this.#cancelTimer = this.#options.clock.after(delayMs, () => {
      this.look();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }

  /** @returns in how long the next breach begins, if nothing happens */
  #compare(machines: readonly WatchedMachine[]): number {
    let nextMs = Infinity;
    for (const machine of machines) {
      this.#judge(machine);
      nextMs = Math.min(nextMs, machine.breachInMs ?? Infinity);
    }
    const names = new Set(machines.map(({ machine }) => machine));
    // Of those of a server before nothing else is known here.
    for (const machine of [...this.#inBreach, ...this.#options.alerts.subjects('data-loss')])
      if (!names.has(machine)) this.#end(machine);
    return nextMs;
  }

  #judge(machine: WatchedMachine): void {
    if (machine.state === 'breach') this.#begin(machine);
    else this.#end(machine.machine, machine);
  }

  #begin(watched: WatchedMachine): void {
    const { machine, host } = watched;
    this.#options.alerts.begin(alertOf(watched));
    if (this.#inBreach.has(machine)) return;
    this.#inBreach.add(machine);
    this.#options.log.warn('data loss beyond what is acceptable', { machine, host, ...agesOf(watched) });
  }

  /** @param now absent if the machine is not protected any more */
  #end(machine: string, now?: WatchedMachine): void {
    const isOver = now === undefined ? `${machine} is not protected any more.` : `${machine} is ${now.state} again.`;
    this.#options.alerts.end('data-loss', machine, isOver);
    if (!this.#inBreach.delete(machine)) return;
    const fields = now === undefined ? { isProtected: false } : { host: now.host, ...agesOf(now) };
    this.#options.log.info('data loss acceptable again', { machine, ...fields });
  }
}

function alertOf(watched: WatchedMachine): NewAlert {
  const { machine, host, ageMs, acceptableMs, newest } = watched;
  const age = ageMs === undefined ? 'unknown' : aboutText(ageMs);
  const kind = newest?.isReplica === true ? 'has a replica of' : 'has a newest shadow copy of';
  const what = newest === undefined ? 'has no shadow copy, and is planned for since' : kind;
  return {
    kind: 'data-loss',
    subject: machine,
    severity: 'critical',
    text: `${machine} ${what} ${age}; its policy accepts ${durationText(acceptableMs)}.`,
    advice: `"umbra status" says why there is no newer one, and "umbra jobs --machine ${machine}" what was tried.`,
    facts: { host, ...agesOf(watched) },
  };
}

/** In minutes, hours or days, of which there are at least two. */
function aboutText(ms: number): string {
  const unitMs = [86_400_000, 3_600_000].find((unit) => ms >= 2 * unit) ?? 60_000;
  return durationText(Math.max(1, Math.floor(ms / unitMs)) * unitMs);
}

function agesOf({ ageMs, acceptableMs, newest }: WatchedMachine): Record<string, string | number> {
  return {
    ...(ageMs === undefined ? {} : { ageSeconds: Math.round(ageMs / 1000) }),
    acceptableSeconds: Math.round(acceptableMs / 1000),
    newest: newest?.name ?? 'none',
  };
}
