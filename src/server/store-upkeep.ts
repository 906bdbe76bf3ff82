import type { Clock } from '../common/clock.js';
import type { FileOperations } from '../files/file-operations.js';
import type { DamageRequest, DamageResult } from '../protocol/upkeep-api.js';
import type { Store } from '../store/store.js';
import { loadScrub } from '../store/load-scrub.js';
import type { Scrub } from '../store/scrub.js';
import type { WorkerPool } from '../workers/pool.js';
import type { JobContext } from './job-context.js';

/** What keeps a store sound, as the server's engine gives it. */
export interface StoreUpkeep {
  /** @throws {UmbraError} STORE_IN_USE while it is rebuilt */
  store(): Promise<Store>;
  /** Reads everything again; another one after the store was rebuilt. @throws {UmbraError} STORE_IN_USE, STORE_FAILED */
  scrub(): Promise<Scrub>;
  /** @throws {UmbraError} NOT_FOUND, STORE_*, CANCELLED */
  damage(request: DamageRequest, context: JobContext): Promise<DamageResult>;
}

export interface UpkeepParts {
  readonly store: () => Store;
  readonly pool: () => WorkerPool;
  readonly files: () => Promise<FileOperations>;
  readonly clock: Clock;
}

/** The upkeep of a store on this machine; what it takes is loaded when it is first asked for. */
export class LocalUpkeep implements StoreUpkeep {
  readonly #parts: UpkeepParts;
  #scrub: { readonly store: Store; readonly opened: Promise<Scrub> } | undefined;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  store(): Promise<Store> {
    return Promise.resolve().then(() => this.#parts.store());
  }

  async scrub(): Promise<Scrub> {
    const store = this.#parts.store();
    if (this.#scrub?.store !== store) this.#scrub = { store, opened: this.#open(store) };
    const current = this.#scrub;
    return await current.opened.catch((error: unknown) => {
      if (this.#scrub === current) this.#scrub = undefined;
      throw error;
    });
  }

  async damage(request: DamageRequest, context: JobContext): Promise<DamageResult> {
    const { store, files, clock } = this.#parts;
    const start = clock.monotonic();
    const { reportDamage } = await import('./damage-report.js');
    const { damage: fileDamage } = await this.scrub();
    const report = await reportDamage({ store: store(), files: await files(), fileDamage, request, ...context });
    return { ...report, seconds: (clock.monotonic() - start) / 1000 };
  }

  async #open(store: Store): Promise<Scrub> {
    const { Scrub: Loaded } = await loadScrub();
    return await Loaded.open({ store, pool: this.#parts.pool, now: () => store.moment() });
  }
}
