import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../src/common/clock.js';
import type { WorkerSettings } from '../../src/workers/messages.js';
import { WorkerPool } from '../../src/workers/pool.js';

/** A backup that comes so soon after another one finds its threads. */
const KEPT_MS = 60_000;
/** The memory that regions are passed in is kept with them. */
const MOST_KEPT = 2;

interface Kept {
  readonly pool: WorkerPool;
  readonly settings: WorkerSettings;
  readonly stopWaiting: () => void;
}

/**
 * The worker threads of backups that are done, for the next ones: to start them takes more of the processor than all else that is done for
 * a backup of what did not change.
 */
export class KeptPools {
  readonly #clock: Clock;
  #kept: readonly Kept[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For one backup alone. */
  take(settings: WorkerSettings): WorkerPool {
    const found = this.#kept.find((kept) => isDeepStrictEqual(kept.settings, settings));
    if (found === undefined) return new WorkerPool(settings);
    this.#remove(found);
    return found.pool;
  }

  /** Take back one that nothing runs in any more, and that all memory was given back to. */
  async keep(pool: WorkerPool, settings: WorkerSettings): Promise<void> {
    if (this.#kept.length >= MOST_KEPT) {
      await pool.close();
      return;
    }
    const stopWaiting = this.#clock.after(KEPT_MS, () => {
      this.#remove(kept);
      void pool.close();
    });
    const kept: Kept = { pool, settings, stopWaiting };
    this.#kept = [...this.#kept, kept];
  }

  #remove(kept: Kept): void {
    kept.stopWaiting();
    this.#kept = this.#kept.filter((other) => other !== kept);
  }
}
