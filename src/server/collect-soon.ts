import type { Clock } from '../common/clock.js';
import { messageOf } from '../common/errors.js';
import type { Log } from '../common/log.js';

/** Machines of a fleet are often due together: one collection is for what was deleted of all of them. */
const WAIT_MS = 60_000;
/** When another one runs, or the store can't be collected now. */
const AGAIN_MS = 10 * 60_000;

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

  constructor(options: CollectSoonOptions) {
    this.#options = options;
  }

  /** Something was deleted. @returns false if this is planned already, and as soon, or not any more */
  soon(waitMs = WAIT_MS): boolean {
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

  /** Begin nothing any more; what runs is given up. */
  stop(): void {
    this.#controller.abort();
  }

  async #collect(): Promise<void> {
    if (this.#controller.signal.aborted) return;
    const { collect, log } = this.#options;
    try {
      await collect(this.#controller.signal);
    } catch (error) {
      const isTriedAgain = this.soon(AGAIN_MS);
      if (isTriedAgain)
        log.warn('the space of deleted shadow copies is not given back yet', { error: messageOf(error) });
    }
  }
}
