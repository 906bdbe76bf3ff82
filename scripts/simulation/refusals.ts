import type { Circumstances } from './circumstances.js';
import type { SimDocument } from './sim-policies.js';
import type { WorldClock } from './world-clock.js';

/** With room on the disk a server has seen to it after so long that nothing holds of what it refused. */
const UNDONE_MS = 10 * 60_000;

/** What an administrator wanted, and was told not to hold, as the disk was full. */
export type Refusal =
  | { readonly machine: string; readonly host: string | undefined }
  | { readonly document: SimDocument };

/**
 * A write that failed on a full disk may be there all the same. So what was refused may hold in the next server, if the one that refused it
 * was killed before it had written again what holds; after an orderly end, which has the reserve for that, it may not.
 */
export class Refusals {
  readonly #clock: WorldClock;
  readonly #circumstances: Circumstances;
  #all: readonly Refusal[] = [];

  constructor(clock: WorldClock, circumstances: Circumstances) {
    this.#clock = clock;
    this.#circumstances = circumstances;
  }

  /** Those that may hold when a store is opened. */
  get all(): readonly Refusal[] {
    return this.#all;
  }

  add(refusal: Refusal): void {
    this.#all = [...this.#all, refusal];
  }

  mayProtect(machine: string, host: string | undefined): boolean {
    return this.#all.some((refusal) => 'machine' in refusal && refusal.machine === machine && refusal.host === host);
  }

  /** A later change was acknowledged, or a server has read what holds. */
  clear(): void {
    this.#all = [];
  }

  serverEnded(isInOrder: boolean): void {
    const { isFull, roomSinceMs } = this.#circumstances;
    if (isInOrder || (!isFull && this.#clock.passedMs - roomSinceMs >= UNDONE_MS)) this.clear();
  }
}
