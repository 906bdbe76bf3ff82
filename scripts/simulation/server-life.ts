import type { Fleet } from '../../src/agents/fleet.js';
import { UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type { JobKind } from '../../src/protocol/jobs-api.js';
import type { Boot } from '../../src/system/boot-time.js';
import type { ServerFrame } from '../../src/protocol/ingest.js';
import { FilesService } from '../../mount/files/files-service.js';
import { alertStoreOf } from '../../src/alerts/alert-store.js';
import { Alerting } from '../../src/server/alerting.js';
import type { Caller } from '../../src/server/caller.js';
import type { Claim } from '../../src/server/conflicts.js';
import { Jobs } from '../../src/server/jobs.js';
import { Metrics } from '../../src/server/metrics.js';
import type { Operation, Prepared, Services } from '../../src/server/operation.js';
import { within } from '../../src/server/within.js';
import { runJob, type RunOperationOptions } from '../../src/server/run-operation.js';
import { Scheduling } from '../../src/server/scheduling.js';
import { Upkeep } from '../../src/server/upkeep.js';
import type { KeptReplica } from '../../src/store/commits.js';
import { Store } from '../../src/store/store.js';
import type { ShadowCopyRecord } from '../../src/store/records.js';
import { FakeMounts } from '../../test/kit/fake-mounts.js';
import { TEST_FORMAT } from '../../test/kit/test-store.js';
import type { Random } from '../../test/kit/random.js';
import type { FramePipe } from './frame-pipe.js';
import type { Planting } from './planting.js';
import type { SimDisk, Writer } from './sim-disk.js';
import { SimEngine, type SimEngineOptions } from './sim-engine.js';
import { clockOf, type WorldClock } from './world-clock.js';

/** Who looks how far something is looks so often: it is much of what happens, and shows nothing. */
const LAZY_MS = 10 * 60_000;
/** So long jobs are waited for. */
const STOP_LIMIT_MS = 20_000;
const OWNER: Caller = { role: 'owner' };

export interface LifeOptions {
  readonly clock: WorldClock;
  readonly disk: SimDisk;
  readonly random: Random;
  readonly boot: () => Boot;
  readonly log: Log;
  readonly forgetting: SimEngineOptions['forgetting'];
  /** Runs what makes a shadow copy of a machine's replica. */
  readonly keeping: (machine: string, keep: () => Promise<KeptReplica>) => Promise<KeptReplica>;
  readonly pruning: SimEngineOptions['pruning'];
  readonly collected: SimEngineOptions['collected'];
  readonly planting: Planting;
  /** No time is to pass before this, which is nothing of the simulated world. */
  readonly hold: (until: Promise<void>) => void;
  /** It has died, in the midst of whatever it did. */
  readonly onDeath: () => void;
}

/** One life of a server's process, made of the server's own parts as `src/server/store-server.ts` makes it, without sockets. */
export class ServerLife implements Writer {
  isAlive = true;
  writesLeft = Infinity;
  /** It does what is due, and answers. */
  isServing = false;
  #engine: SimEngine | undefined;
  #store: Store | undefined;
  #services: Services | undefined;
  readonly #options: LifeOptions;
  readonly #jobs: Jobs;
  readonly #running: RunOperationOptions;
  readonly #scheduling: Scheduling;
  readonly #alerting: Alerting;
  readonly #upkeep: Upkeep;

  constructor(options: LifeOptions) {
    this.#options = options;
    const clock = clockOf(options.clock, () => this.isAlive);
    this.#jobs = new Jobs(
      clock,
      () => [],
      (claim: Claim) => {
        this.#scheduling.operationEnded(claim);
        this.#alerting.operationEnded(claim);
        this.#upkeep.operationEnded(claim);
      },
    );
    this.#alerting = new Alerting({ store: '/nowhere', clock, log: options.log });
    this.#running = {
      services: () => Promise.resolve(this.services),
      jobs: this.#jobs,
      stopping: new AbortController().signal,
      clock,
      log: options.log,
      metrics: new Metrics(clock),
      alerts: this.#alerting.book,
    };
    const onDamage = (): void => {
      this.#scheduling.changed();
    };
    // Damage is watched; nothing is read to find it.
    const lazy = { clock: clockOf(options.clock, () => this.isAlive, LAZY_MS) };
    this.#upkeep = new Upkeep({ ...this.#running, ...lazy, scrubDays: 0, onDamage });
    this.#scheduling = new Scheduling({
      ...this.#running,
      random: options.random.fraction,
      damagedSince: (machine) => this.#upkeep.damagedSince(machine),
    });
  }

  readonly die = (): void => {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.isServing = false;
    this.#options.onDeath();
  };

  get store(): Store {
    return must(this.#store);
  }

  get services(): Services {
    return must(this.#services);
  }

  get fleet(): Fleet {
    return must(this.#engine).fleet();
  }

  get jobs(): Jobs {
    return this.#jobs;
  }

  get scheduling(): Scheduling {
    return this.#scheduling;
  }

  /** Open the store. @throws {UmbraError} */
  async open(): Promise<void> {
    const { disk, boot, log, hold, planting } = this.#options;
    const { clock } = this.#running;
    const databases = planting.databases?.(disk.open(this)) ?? disk.open(this);
    const spend = (task: () => Promise<void>): Promise<void> => disk.spendReserve(task);
    const store = await disk.spendReserve(() => Store.open({ format: TEST_FORMAT, ...databases, clock, boot, spend }));
    const keepReplica = store.keepReplica.bind(store);
    store.keepReplica = (machine, count) => this.#options.keeping(machine, () => keepReplica(machine, count));
    planting.store?.(store);
    const lazyClock = clockOf(this.#options.clock, () => this.isAlive, LAZY_MS);
    const engine = new SimEngine({ ...this.#options, store, databases, clock, lazyClock });
    const source = engine.shadowCopySource();
    const files = new FilesService({ source, find: () => Promise.resolve([]), clock, log });
    this.#store = store;
    this.#engine = engine;
    await this.#alerting.open(alertStoreOf(() => store.alerts));
    const services = {
      engine,
      files,
      mounts: new FakeMounts(),
      clock: lazyClock,
      scheduling: this.#scheduling,
      upkeep: this.#upkeep,
      alerts: this.#alerting.book,
      alerting: this.#alerting,
    };
    this.#services = services;
    // It loads modules, which takes as many turns of the event loop as this machine likes; then it asks for what is to be planned.
    hold(engine.whenPlanning);
    await this.#scheduling.prepare(services);
  }

  /** Do what is due from now on. */
  async start(): Promise<void> {
    this.isServing = true;
    this.#upkeep.start();
    await this.#scheduling.start();
  }

  /** An orderly end. */
  async stop(): Promise<void> {
    const reason = new UmbraError('SERVER_STOPPING', 'the server is shutting down', { hint: 'Try again in a moment.' });
    this.isServing = false;
    const scheduled = Promise.all([this.#scheduling.stop(), this.#upkeep.stop()]);
    const jobsEnded = Promise.all([this.#jobs.stop(reason), scheduled]);
    this.fleet.connections.close(reason);
    await this.services.engine.uploads().close(reason);
    await within(this.#running.clock, STOP_LIMIT_MS, jobsEnded);
    await this.#alerting.close();
    await this.store.close();
    this.isAlive = false;
  }

  /** Have an operation done, as its route has it done. @throws {UmbraError} */
  async do(operations: readonly Operation[], route: string, params: unknown): Promise<unknown> {
    const operation = operations.find((candidate) => candidate.route === route && candidate.method === 'POST');
    if (operation === undefined) throw new RangeError(`there is no route ${route}`);
    return await this.run(operation.prepare(params));
  }

  async run(prepared: Prepared): Promise<unknown> {
    const asked = { caller: OWNER, gone: new AbortController().signal };
    return await runJob(asked, prepared, this.services, this.#running);
  }

  /** What becomes of what is sent of a machine; of one that nothing is to be sent of it does not matter. */
  kindOf(machine: string, host: string): JobKind {
    try {
      return this.fleet.awaited(machine, host);
    } catch (error) {
      if (!(error instanceof UmbraError)) throw error;
      return 'shadow-copy';
    }
  }

  /** An agent sends a shadow copy, as over the route of `src/server/ingest-route.ts`. */
  serve(host: string, pipe: FramePipe, hear: (frame: ServerFrame) => void): void {
    const { engine } = this.services;
    const { planting } = this.#options;
    const serving = engine.uploads().serve({
      sender: { name: host, host },
      frames: planting.frames?.(pipe) ?? pipe,
      send: (frame) => {
        if (this.isAlive) hear(frame);
      },
      authorize: (machine) => engine.fleet().awaited(machine, host),
      runJob: async (upload, work) => {
        let record: ShadowCopyRecord | undefined;
        await this.run({
          claim: { kind: 'backup', machine: upload.machine },
          what: `${upload.machine} from ${host}`,
          run: async (_, { signal, progress }) => {
            record = await work(signal, progress);
          },
        });
        if (record === undefined) throw new UmbraError('INTERNAL', 'an upload ended without a shadow copy');
        return record;
      },
    });
    // What went wrong was said to the agent.
    serving.catch((error: unknown) => {
      if (!(error instanceof UmbraError)) throw error;
    });
  }
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new UmbraError('INTERNAL', 'the server is not open');
  return value;
}
