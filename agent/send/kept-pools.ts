import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../src/common/clock.js';
import type { WorkerSettings } from '../../src/workers/messages.js';
import { WorkerPool } from '../../src/workers/pool.js';
import type { RegionSlots } from '../../src/workers/region-slots.js';
import { makeSlots } from './volume-sender.js';

/** A backup that comes so soon after another one finds its threads. */
const KEPT_MS = 60_000;
/** The memory that regions are passed in is kept with them. */
const MOST_KEPT = 2;

/** What cuts for a backup, and the memory that regions are passed in. */
export interface BackupThreads {
  readonly settings: WorkerSettings;
  readonly pool: WorkerPool;
  readonly slots: RegionSlots;
}

interface Kept {
  readonly threads: BackupThreads;
  readonly stopWaiting: () => void;
}

export function startThreads(settings: WorkerSettings): BackupThreads {
  return { settings, pool: new WorkerPool(settings), slots: makeSlots() };
}

/**
 * The worker threads of backups that are done, for the next ones: to start them takes more of the processor than all else that is done for
 * a backup of what did not change. And their memory, 43 MB: the garbage collector does not count it, and leaves hundreds of MB where each
 * backup takes it anew.
 */
export class KeptPools {
  readonly #clock: Clock;
  #kept: readonly Kept[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For one backup alone. */
  take(settings: WorkerSettings): BackupThreads {
    const found = this.#kept.find(({ threads }) => isDeepStrictEqual(threads.settings, settings));
    if (found === undefined) return startThreads(settings);
    this.#remove(found);
    return found.threads;
  }

  /** Take back what nothing runs in any more, and that all memory was given back to. */
  async keep(threads: BackupThreads): Promise<void> {
    if (this.#kept.length >= MOST_KEPT) {
      await threads.pool.close();
      return;
    }
    const stopWaiting = this.#clock.after(KEPT_MS, () => {
      this.#remove(kept);
      void threads.pool.close();
    });
    const kept: Kept = { threads, stopWaiting };
    this.#kept = [...this.#kept, kept];
  }

  /** End those that are kept. */
  async close(): Promise<void> {
    const all = this.#kept;
    for (const kept of all) this.#remove(kept);
    await Promise.all(all.map(({ threads }) => threads.pool.close()));
  }

  #remove(kept: Kept): void {
    kept.stopWaiting();
    this.#kept = this.#kept.filter((other) => other !== kept);
  }
}
