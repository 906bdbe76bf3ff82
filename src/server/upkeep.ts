import { isUmbraError } from '../common/errors.js';
import type { DamageRequest, DamageResult, ScrubResult } from '../protocol/upkeep-api.js';
import type { Scrub } from '../store/scrub.js';
import { DamageWatch } from './damage-watch.js';
import type { JobContext } from './job-context.js';
import type { RunOperationOptions } from './run-operation.js';
import { Scrubbing } from './scrubbing.js';
import type { SoundStore } from './sound-store.js';
import type { StoreUpkeep } from './store-upkeep.js';

export interface UpkeepOptions extends Pick<RunOperationOptions, 'services' | 'jobs' | 'clock' | 'log' | 'alerts'> {
  /** Everything is read once in so many days by itself; 0 for never. */
  readonly scrubDays: number;
  /** What the next backups have to read again has changed. */
  readonly onDamage: () => void;
}

/** Operations after which something may be damaged, or healed. */
const CHANGE_DAMAGE: ReadonlySet<string> = new Set(['backup', 'request', 'verify', 'gc', 'forget', 'rebuild', 'scrub']);

/** Keeps a store sound: reads it again and again, and watches what is damaged. */
export class Upkeep implements SoundStore {
  readonly #options: UpkeepOptions;
  readonly #scrubbing: Scrubbing;
  readonly #watch: DamageWatch;
  #scrub: Scrub | undefined;
  #isWatching = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    const { jobs, scrubDays: days, onDamage: onChange, clock, log, alerts } = options;
    const scrub = async (): Promise<Scrub> => (this.#scrub = await (await this.#store()).scrub());
    this.#scrubbing = new Scrubbing({ scrub, running: () => jobs.list(), days, clock, log, alerts });
    this.#watch = new DamageWatch({
      store: async () => await (await this.#store()).store(),
      fileDamage: () => this.#scrub?.damage ?? [],
      onChange,
      clock,
      log,
      alerts,
    });
  }

  /** From now on do by itself what is to be done. */
  start(): void {
    this.#isWatching = true;
    void this.#watch.look();
    this.#scrubbing.start();
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    await Promise.all([this.#scrubbing.stop(), this.#watch.stop()]);
  }

  /** An operation has ended, however it did. */
  operationEnded({ kind }: { readonly kind: string }): void {
    if (this.#isWatching && CHANGE_DAMAGE.has(kind)) void this.#watch.look();
  }

  /** When the newest of what is damaged in a machine's newest shadow copy was found; undefined if nothing is. */
  damagedSince(machine: string): number | undefined {
    return this.#watch.since(machine);
  }

  /** @throws {UmbraError} STORE_IN_USE while the store is rebuilt, STORE_FAILED */
  scrubbed(): Promise<ScrubResult> {
    return this.#scrubbing.result();
  }

  /** The same for figures: undefined while it is not known, and in a server that does not read by itself. */
  async figures(): Promise<ScrubResult | undefined> {
    if (!this.#isWatching || this.#scrub === undefined) return undefined;
    try {
      return await this.#scrubbing.result();
    } catch (error) {
      if (isUmbraError(error)) return undefined;
      throw error;
    }
  }

  /** Read everything once, at once. @throws {UmbraError} STORE_FULL, STORE_FAILED, CANCELLED */
  scrubNow({ signal, progress }: JobContext): Promise<ScrubResult> {
    return this.#scrubbing.readAll(signal, progress);
  }

  /** @throws {UmbraError} NOT_FOUND, STORE_*, CANCELLED */
  async damage(request: DamageRequest, context: JobContext): Promise<DamageResult> {
    return await (await this.#store()).damage(request, context);
  }

  async #store(): Promise<StoreUpkeep> {
    return (await this.#options.services()).engine.upkeep();
  }
}
