import type { WorldClock } from './world-clock.js';

/** The store notes so often how much time has passed; what has passed since is lost with a server. */
const NOTE_MS = 11 * 60_000;

/** How the world has been, as far as what may be expected of a server depends on it. Times are of {@link WorldClock.passedMs}. */
export class Circumstances {
  readonly #clock: WorldClock;
  readonly #hostSinceMs = new Map<string, number>();
  /** Since when a server does what is due; undefined while none does. */
  upSinceMs: number | undefined;
  /** When wall clocks were set last. */
  setMs = -Infinity;
  /** When there was room on the disk again. */
  roomSinceMs = -Infinity;
  isFull = false;
  /** When the policies became others. */
  policiesMs = -Infinity;
  /** Time that a server certainly knows to have passed, until {@link #countedMs}. */
  #certainMs = 0;
  #countedMs = 0;
  #isOpen = false;

  constructor(clock: WorldClock) {
    this.#clock = clock;
  }

  /** A server opens its store. */
  storeOpen(): void {
    this.#count();
    this.#isOpen = true;
  }

  serverUp(): void {
    this.upSinceMs = this.#clock.passedMs;
  }

  serverDown(): void {
    this.#count();
    this.#isOpen = false;
    this.upSinceMs = undefined;
    this.#certainMs -= NOTE_MS;
  }

  hostUp(host: string): void {
    this.#hostSinceMs.set(host, this.#clock.passedMs);
  }

  hostDown(host: string): void {
    this.#hostSinceMs.delete(host);
  }

  /** Since when its agent is connected. */
  hostSinceMs(host: string): number | undefined {
    return this.#hostSinceMs.get(host);
  }

  diskFull(isFull: boolean): void {
    this.#count();
    this.isFull = isFull;
    if (!isFull) this.roomSinceMs = this.#clock.passedMs;
  }

  clockSet(): void {
    this.setMs = this.#clock.passedMs;
  }

  /** No more than what a store knows to have passed since the beginning, but for what it knew at once. */
  get certainMs(): number {
    this.#count();
    return this.#certainMs;
  }

  #count(): void {
    const { passedMs } = this.#clock;
    if (this.#isOpen && !this.isFull) this.#certainMs += passedMs - this.#countedMs;
    this.#countedMs = passedMs;
  }
}
