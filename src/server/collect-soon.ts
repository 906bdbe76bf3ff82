import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf } from '../common/errors.js';
import type { Log } from '../common/log.js';

/** Machines of a fleet are often due together: one collection is for what was deleted of all of them. */
const WAIT_MS = 60_000;
/** When another one runs, and when the store could not be collected for the first time. */
const AGAIN_MS = 10 * 60_000;
/** What keeps a store from being collected may stand for days, and each try reads much of it: the pauses double until they are so long. */
const MOST_AGAIN_MS = 4 * 60 * 60_000;

export interface CollectSoonOptions {
  /** @throws {UmbraError} STORE_IN_USE while another one runs, and why else there is none */
  readonly collect: (gone: AbortSignal) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Has the space given back of what was deleted by itself. After a restart nobody knows of it; the next collection finds it, too. */
export class CollectSoon {
  readonly #options: CollectSoonOptions;
  readonly #controller = new AbortController();
  /** When it is to begin, by the monotonic clock; undefined if it is not planned. */
  #plannedMs: number | undefined;
  #cancel = (): void => undefined;
  #isCollecting = false;
  /** Something was deleted while one ran, which may have passed it by: so long after it there is another one. */
  #againMs: number | undefined;
  /** How often the store could not be collected since it could. */
  #failures = 0;

  constructor(options: CollectSoonOptions) {
    this.#options = options;
  }

  /** Something was deleted. @returns false if this is planned already, and as soon, or waits for a store that can't be collected, or not any more */
  soon(waitMs = WAIT_MS): boolean {
    if (this.#isCollecting) {
      this.#againMs = Math.min(waitMs, this.#againMs ?? waitMs);
      return false;
    }
    if (this.#failures > 0 && this.#plannedMs !== undefined) return false;
    return this.#plan(waitMs);
  }

  /** What kept the store from being collected may be over. */
  retry(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.soon();
  }

  /** Begin nothing any more; what runs is given up. */
  stop(): void {
    this.#controller.abort();
  }

  #plan(waitMs: number): boolean {
    const { clock } = this.#options;
    const atMs = clock.monotonic() + waitMs;
    if (this.#controller.signal.aborted || (this.#plannedMs !== undefined && this.#plannedMs <= atMs)) return false;
    this.#cancel();
    this.#plannedMs = atMs;
    this.#cancel = clock.after(waitMs, () => {
      this.#plannedMs = undefined;
      void this.#collect();
    });
    return true;
  }

  async #collect(): Promise<void> {
    if (this.#controller.signal.aborted) return;
    try {
      await this.#attempt();
    } catch (error) {
      const isTriedAgain = this.#plan(this.#pauseAfter(error));
      if (isTriedAgain)
        this.#options.log.warn('the space of deleted shadow copies is not given back yet', { error: messageOf(error) });
      return;
    }
    this.#failures = 0;
    if (this.#againMs !== undefined) this.soon(this.#againMs);
  }

  async #attempt(): Promise<void> {
    this.#isCollecting = true;
    this.#againMs = undefined;
    try {
      await this.#options.collect(this.#controller.signal);
    } finally {
      this.#isCollecting = false;
    }
  }

  #pauseAfter(error: unknown): number {
    if (isUmbraError(error, 'STORE_IN_USE')) return AGAIN_MS;
    const pauseMs = AGAIN_MS * 2 ** this.#failures;
    this.#failures += 1;
    return Math.min(pauseMs, MOST_AGAIN_MS);
  }
}
