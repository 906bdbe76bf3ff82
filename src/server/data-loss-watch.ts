import { messageOf } from '../common/errors.js';
import type { Clock } from '../common/clock.js';
import type { Log } from '../common/log.js';
import type { WatchedMachine } from '../scheduler/fleet.js';

/** It is looked again after so long at the latest: clocks are set, and computers sleep. */
const LONGEST_SLEEP_MS = 60 * 60_000;

export interface DataLossWatchOptions {
  /** @throws {UmbraError} STORE_IN_USE while the store is rebuilt */
  readonly machines: () => readonly WatchedMachine[];
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Logs when a machine's newest shadow copy becomes older than its policy accepts, and when that is over: each once. It sleeps until the next
 * moment at which one does, and looks when something has happened. A server that starts says once what it finds.
 */
export class DataLossWatch {
  readonly #options: DataLossWatchOptions;
  readonly #inBreach = new Set<string>();
  #cancelTimer = (): void => undefined;
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
    this.#cancelTimer = this.#options.clock.after(Math.min(sleepMs, LONGEST_SLEEP_MS), () => {
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
      if (machine.state === 'breach') this.#begin(machine);
      else this.#end(machine.machine, machine);
      nextMs = Math.min(nextMs, machine.breachInMs ?? Infinity);
    }
    const names = new Set(machines.map(({ machine }) => machine));
    for (const machine of this.#inBreach) if (!names.has(machine)) this.#end(machine);
    return nextMs;
  }

  #begin(watched: WatchedMachine): void {
    const { machine, host } = watched;
    if (this.#inBreach.has(machine)) return;
    this.#inBreach.add(machine);
    this.#options.log.warn('data loss beyond what is acceptable', { machine, host, ...agesOf(watched) });
  }

  /** @param now absent if the machine is not protected any more */
  #end(machine: string, now?: WatchedMachine): void {
    if (!this.#inBreach.delete(machine)) return;
    const fields = now === undefined ? { isProtected: false } : { host: now.host, ...agesOf(now) };
    this.#options.log.info('data loss acceptable again', { machine, ...fields });
  }
}

function agesOf({ ageMs, acceptableMs, newest }: WatchedMachine): Record<string, string | number> {
  return {
    ...(ageMs === undefined ? {} : { ageSeconds: Math.round(ageMs / 1000) }),
    acceptableSeconds: Math.round(acceptableMs / 1000),
    newest: newest?.name ?? 'none',
  };
}
