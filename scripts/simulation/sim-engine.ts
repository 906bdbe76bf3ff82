import { Fleet } from '../../src/agents/fleet.js';
import { changesBetween } from '../../src/backup/change-count.js';
import type { Clock } from '../../src/common/clock.js';
import type { FileOperations } from '../../src/files/file-operations.js';
import { Uploads } from '../../src/ingest/uploads.js';
import type { ForgetRequest, ForgetResult, GcResult, KeepReplicaResult } from '../../src/protocol/api.js';
import type { JobContext } from '../../src/server/job-context.js';
import { heldMachines } from '../../src/server/held-machines.js';
import type { HeldMachine } from '../../src/protocol/changes-api.js';
import { forgetShadowCopies } from '../../src/server/forget.js';
import { LocalUpkeep } from '../../src/server/store-upkeep.js';
import { planningOf, type Planning } from '../../src/server/planning.js';
import { PolicyService, type PruneJob } from '../../src/server/policy-service.js';
import type { PruneRequest, PruneResult } from '../../src/protocol/policies-api.js';
import type { Listing } from '../../src/store/catalog.js';
import { Machines } from '../../src/store/machines.js';
import type { ForgetOptions } from '../../src/store/one-stays.js';
import { storeFigures, type StoreFigures } from '../../src/store/figures.js';
import { shadowCopyInfo } from '../../src/store/records.js';
import type { Store } from '../../src/store/store.js';
import { FakeEngine } from '../../test/kit/fake-engine.js';
import { InlinePool } from './inline-pool.js';
import type { Databases, Planting, Soil } from './planting.js';
import type { SimDisk } from './sim-disk.js';

/** Nobody looks at it: that the disk is full is seen by what can't be written. */
const DISK = { sizeBytes: 0, freeBytes: 0, reserveBytes: 0, freeFiles: 0, files: 0 };

export interface SimEngineOptions {
  readonly store: Store;
  readonly disk: SimDisk;
  readonly clock: Clock;
  /** Of those who look how far something is. */
  readonly lazyClock: Clock;
  /** Runs a shadow copy's deletion. */
  readonly forgetting: (listing: Listing, forget: () => Promise<boolean>) => Promise<boolean>;
  /** Told when a collection has ended well. */
  readonly collected: () => void;
  readonly databases: Databases;
  readonly planting: Planting;
  /** Runs the pruning of machines. */
  readonly pruning: (request: PruneRequest, prune: () => Promise<PruneResult>) => Promise<PruneResult>;
}

/** The engine of a server over a simulated disk: what `src/server/local-engine.ts` has, of the same parts, but for mounts and files. */
export class SimEngine extends FakeEngine {
  readonly #options: SimEngineOptions;
  readonly #fleet: Fleet;
  readonly #uploads: Uploads;
  readonly #policies: PolicyService;
  readonly #planning: Planning;
  #planningBegins = (): void => undefined;
  /** Resolves when it is asked for the first time what is to be planned. */
  readonly whenPlanning = new Promise<void>((resolve) => (this.#planningBegins = resolve));
  readonly #storeUpkeep: LocalUpkeep;

  constructor(options: SimEngineOptions) {
    super('/nowhere');
    const { store, clock, lazyClock, planting, pruning } = options;
    this.#options = options;
    const machines = new Machines(() => store);
    const pool = new InlinePool(store.format);
    this.#uploads = new Uploads({ store: () => store, pool: () => pool, clock: lazyClock });
    const giveUp = (machine: string): Promise<void> => this.#uploads.giveUp(machine);
    this.#fleet = new Fleet({ store: () => store, machines, clock, giveUp });
    const planning = planningOf(() => store);
    this.#planning = planting.planning?.(planning, clock) ?? planning;
    const files = (): Promise<FileOperations> => this.files();
    this.#storeUpkeep = new LocalUpkeep({ store: () => store, pool: () => pool, files, clock });
    this.#policies = new WatchedPolicies(
      {
        store: () => store,
        clock,
        forget: (listing, options) => this.#forget(listing, options),
        changed: () => {
          this.#fleet.policiesChanged();
        },
      },
      (request, prune) => pruning(request, () => this.#prune(request, prune)),
    );
  }

  override fleet(): Fleet {
    return this.#fleet;
  }

  override uploads(): Uploads {
    return this.#uploads;
  }

  override policies(): PolicyService {
    return this.#policies;
  }

  override upkeep(): LocalUpkeep {
    return this.#storeUpkeep;
  }

  override planning(): Planning {
    this.#planningBegins();
    return this.#planning;
  }

  override forget(request: ForgetRequest, context?: JobContext): Promise<ForgetResult> {
    const signal = context?.signal ?? new AbortController().signal;
    const { store } = this.#options;
    return forgetShadowCopies(request, {
      store,
      signal,
      forget: (listing, options) => this.#forget(listing, options),
    });
  }

  override async keepReplica(machine: string): Promise<KeepReplicaResult> {
    const { store } = this.#options;
    const { record, isNew } = await store.keepReplica(machine, changesBetween(store.reader));
    return { shadowCopy: shadowCopyInfo(record), isNew };
  }

  override async gc(context: JobContext): Promise<GcResult> {
    const { store, disk, collected, planting } = this.#options;
    let result = { objects: 0, deletedObjects: 0, deletedBytes: 0, freedBytes: 0 };
    const collect = async (): Promise<void> => {
      result = await disk.spendReserve(() => store.collect(context));
    };
    await (planting.collect === undefined ? collect() : planting.collect(collect, this.#soil));
    collected();
    return { ...result, seconds: 0 };
  }

  async #prune(request: PruneRequest, prune: () => Promise<PruneResult>): Promise<PruneResult> {
    const result = await prune();
    const { store, planting } = this.#options;
    if (!request.dryRun) await planting.pruned?.(request.machines ?? store.catalog.machines(), this.#soil);
    return result;
  }

  get #soil(): Soil {
    const { store, databases } = this.#options;
    return { store, databases, forget: (listing) => this.#forget(listing, { oneStays: true }) };
  }

  override figures(): Promise<StoreFigures> {
    return Promise.resolve(storeFigures(this.#options.store, DISK));
  }

  override heldMachines(): readonly HeldMachine[] {
    return heldMachines(this.#options.store);
  }

  #forget(listing: Listing, options: ForgetOptions): Promise<boolean> {
    const { store, disk, forgetting } = this.#options;
    return forgetting(listing, () => disk.spendReserve(() => store.forget(listing, options)));
  }
}

class WatchedPolicies extends PolicyService {
  readonly #pruning: SimEngineOptions['pruning'];

  constructor(options: ConstructorParameters<typeof PolicyService>[0], pruning: SimEngineOptions['pruning']) {
    super(options);
    this.#pruning = pruning;
  }

  override prune(request: PruneRequest, job: PruneJob): Promise<PruneResult> {
    return this.#pruning(request, () => super.prune(request, job));
  }
}
