import type { Clock } from '../common/clock.js';

/** So many tries may fail in a row; after that, one more in each interval. */
const BURST = 10;
const INTERVAL_MS = 6_000;
/** Addresses that are remembered; of more, the one that failed longest ago is forgotten. */
const MOST_ADDRESSES = 4096;

/** Slows down those who try one secret after the other: a bucket of tries for each address, which fills up with time. */
export class FailedTries {
  readonly #clock: Clock;
  /** When each address will have all its tries again, the oldest entry first. */
  readonly #fullAtMs = new Map<string, number>();
  #total = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many tries have failed. */
  get total(): number {
    return this.#total;
  }

  /** How long an address must wait before it may try again, in ms; 0 if it may now. */
  waitMs(address: string): number {
    const fullAtMs = this.#fullAtMs.get(address) ?? 0;
    return Math.max(0, fullAtMs - this.#clock.monotonic() - (BURST - 1) * INTERVAL_MS);
  }

  failed(address: string): void {
    this.#total += 1;
    const nowMs = this.#clock.monotonic();
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(address) ?? 0) + INTERVAL_MS;
    this.#fullAtMs.delete(address);
    this.#fullAtMs.set(address, fullAtMs);
    for (const oldest of this.#fullAtMs.keys()) {
      if (this.#fullAtMs.size <= MOST_ADDRESSES) break;
      this.#fullAtMs.delete(oldest);
    }
  }
}
