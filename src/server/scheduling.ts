import { isUmbraError, messageOf } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { Policies } from '../policies/policy.js';
import type { JobDetails, JobKind, JobsRequest, JobsResult, ScheduleResult } from '../protocol/jobs-api.js';
import type { FleetStatus } from '../protocol/server-api.js';
import type * as fleets from '../scheduler/fleet.js';
import type * as reports from '../scheduler/report.js';
import { loadScheduler } from '../scheduler/load-scheduler.js';
import type { Scheduler } from '../scheduler/scheduler.js';
import type { Attempt, Made, SchedulerParts } from '../scheduler/scheduler-parts.js';
import { backUpWithProgress } from './agent-operations.js';
import { OWNER } from './caller.js';
import { changesDataLoss, type Claim } from './conflicts.js';
import { DataLossWatch } from './data-loss-watch.js';
import { EndedReplicas } from './ended-replicas.js';
import type { JobContext } from './job-context.js';
import type { Services } from './operation.js';
import { policyParts } from './effective-policies.js';
import type { PlannedWork, SchedulingFigures } from './planned-work.js';
import { tellJobFailures } from './job-failures.js';
import { CollectSoon } from './collect-soon.js';
import { SpaceAlarm } from './space-alarm.js';
import { SuddenChangeWatch, type ChangesLook } from './sudden-change-watch.js';
import { pruneAfter } from './prune-after.js';
import { runJob, type RunOperationOptions } from './run-operation.js';

/** What replicas that were replaced have left is collected after so long at the latest: it is little, and there is more of it all the time. */
const FORMER_REPLICAS_MS = 6 * 60 * 60_000;

interface Opened {
  readonly scheduler: Scheduler;
  readonly parts: SchedulerParts;
  readonly report: typeof reports;
  readonly fleet: typeof fleets;
  /** Whether the agent of a host is connected. */
  readonly isConnected: (host: string) => boolean;
}

export interface SchedulingOptions extends RunOperationOptions {
  /** In [0, 1): when what failed is tried again. */
  readonly random: () => number;
  /** When what is damaged in a machine's newest shadow copy was found, if anything is. */
  readonly damagedSince: (machine: string) => number | undefined;
}

/** What a server does by itself. It is loaded when it is started, or first asked for: most servers never are. */
export class Scheduling implements PlannedWork {
  readonly #options: SchedulingOptions;
  readonly #collecting: CollectSoon;
  readonly #changes: SuddenChangeWatch;
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #watch: DataLossWatch | undefined;
  #ended: EndedReplicas | undefined;

  constructor(options: SchedulingOptions) {
    this.#options = options;
    const { clock, log, alerts } = options;
    this.#changes = new SuddenChangeWatch({ look: () => this.#lookAtChanges(), alerts, log });
    this.#collecting = new CollectSoon({ collect: (gone) => this.#collect(gone), clock, log });
  }

  /** Read what there is before anybody is answered, so that numbers of jobs mean one thing. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async prepare(services: Services): Promise<void> {
    await this.#open(services);
  }

  /** From now on do what is due. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  async start(): Promise<void> {
    const { scheduler, parts, fleet } = await this.#open();
    const { engine } = await this.#options.services();
    const { clock, log, alerts } = this.#options;
    const onRoom = (): void => {
      scheduler.roomIsBack();
      this.#collecting.retry();
    };
    const alarm = new SpaceAlarm({ alerts, log, onRoom });
    engine.space().onLook((report) => {
      alarm.take(report);
    });
    engine.fleet().connections.onConnect((host) => {
      scheduler.hostIsBack(host);
    });
    scheduler.start();
    const machines = (only?: string): readonly fleets.WatchedMachine[] => fleet.watchedMachines(scheduler, parts, only);
    this.#watch = new DataLossWatch({ machines, alerts, clock, log });
    this.#watch.look();
    const planning = engine.planning();
    const onMore = (): void => void this.#collecting.soon();
    this.#ended = new EndedReplicas({ count: () => planning.endedReplicas(), onMore });
    this.#tellFailures();
    this.#changes.look();
  }

  /** Machines or policies have changed, or what is damaged. */
  changed(): void {
    this.#collecting.retry();
    this.#opened?.scheduler.hostsChanged();
    this.#watch?.look();
  }

  /** An operation has ended, however it did. */
  operationEnded(claim: Claim): void {
    if (!changesDataLoss(claim)) return;
    this.#ended?.look();
    if (claim.machine === undefined) this.#watch?.look();
    else this.#watch?.lookAt(claim.machine);
    this.#tellFailures();
    this.#changes.look();
  }

  /** Begin nothing more; resolves when what was begun is noted, once somebody has aborted it. */
  async stop(): Promise<void> {
    this.#collecting.stop();
    this.#watch?.stop();
    const opened = this.#opened ?? (await this.#opening?.catch(() => undefined));
    await opened?.scheduler.stop();
  }

  async list(request: JobsRequest): Promise<JobsResult> {
    const { scheduler, report } = await this.#open();
    return report.listJobs(scheduler, request);
  }

  /** @throws {UmbraError} NOT_FOUND, STORE_* */
  async find(id: number): Promise<JobDetails> {
    const { scheduler, report } = await this.#open();
    return await report.describeJob(scheduler, id);
  }

  /** @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT when it has ended, STORE_* */
  async cancel(id: number): Promise<JobDetails> {
    const { scheduler, report } = await this.#open();
    await scheduler.cancel(id);
    return await report.describeJob(scheduler, id);
  }

  async plan(policies?: Policies): Promise<ScheduleResult> {
    const { scheduler, parts, report } = await this.#open();
    return report.planOf(
      scheduler,
      policies === undefined ? parts : { ...parts, ...policyParts(policies, parts.machines()) },
    );
  }

  /** How the protected machines are, the worst first; undefined while the store is rebuilt, or can't be read. */
  async fleet(): Promise<FleetStatus | undefined> {
    return await this.#ask(({ scheduler, parts, fleet, isConnected }) =>
      fleet.fleetStatus(scheduler, parts, isConnected),
    );
  }

  /** The same for figures. */
  async watched(): Promise<readonly fleets.WatchedMachine[] | undefined> {
    return await this.#ask(({ scheduler, parts, fleet }) => fleet.watchedMachines(scheduler, parts));
  }

  /** Only a server that does something by itself says what it could not do. */
  #tellFailures(): void {
    const { scheduler, parts } = this.#opened ?? {};
    if (scheduler?.isScheduling !== true || parts === undefined) return;
    const { book } = scheduler;
    const newestMs = (machine: string, kind: JobKind): number | undefined =>
      (kind === 'replicate' ? parts.upToDate(machine) : parts.latest(machine))?.timeMs;
    const last = (machine: string, kind: JobKind): ReturnType<typeof book.last> => book.last(machine, kind);
    try {
      tellJobFailures({ machines: () => book.machines(), last, newestMs }, this.#options.alerts);
    } catch (error) {
      // While the store is rebuilt; the end of that is told.
      this.#options.log.warn('failed jobs are not told of', { error: messageOf(error) });
    }
  }

  async #ask<T>(question: (opened: Opened) => T): Promise<T | undefined> {
    try {
      return question(await this.#open());
    } catch (error) {
      if (!isUmbraError(error, 'STORE_IN_USE'))
        this.#options.log.warn('the machines are not known', { error: messageOf(error) });
      return undefined;
    }
  }

  /** Undefined while it is not known. */
  figures(): SchedulingFigures | undefined {
    if (this.#opened === undefined) return undefined;
    const { book } = this.#opened.scheduler;
    const open = new Map<string, number>([
      ['waiting', 0],
      ['running', 0],
      ['retrying', 0],
    ]);
    for (const { state } of book.allOpen()) open.set(state, (open.get(state) ?? 0) + 1);
    const lastDone = [...book.machines()].flatMap((machine) => {
      const beganMs = book.lastDone(machine)?.beganMs;
      return beganMs === undefined ? [] : [{ machine, beganMs }];
    });
    return { open, lastDone };
  }

  #open(services: Services | Promise<Services> = this.#options.services()): Promise<Opened> {
    this.#opening ??= this.#load(services).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #load(given: Services | Promise<Services>): Promise<Opened> {
    const services = await given;
    const { Scheduler: Loaded, report, fleet } = await loadScheduler();
    const parts = this.#parts(services);
    const scheduler = await Loaded.open(parts);
    this.#options.jobs.reserve(scheduler.book.highest);
    const { connections } = services.engine.fleet();
    const isConnected = (host: string): boolean => connections.isConnected(host);
    this.#opened = { scheduler, parts, report, fleet, isConnected };
    return this.#opened;
  }

  #parts(services: Services): SchedulerParts {
    const { jobs, clock, log, random } = this.#options;
    const { connections } = services.engine.fleet();
    const planning = services.engine.planning();
    return {
      ...planning,
      damagedSince: (machine) => {
        const foundMs = this.#options.damagedSince(machine);
        if (foundMs === undefined) return undefined;
        const host = planning.machines().find(({ name }) => name === machine)?.host;
        return host !== undefined && connections.isConnected(host) ? foundMs : undefined;
      },
      wasThere: (host) => connections.isConnected(host) || connections.reports().has(host),
      backUp: (machine, attempt) => this.#backUp(services, machine, attempt),
      settled: () => {
        this.#tellFailures();
      },
      newId: (least) => jobs.newId(least),
      clock,
      random,
      log,
    };
  }

  /** As an operation that somebody asks for, so that it is seen, counted and logged as one, and cancelled when the server stops. */
  async #backUp(services: Services, machine: string, { id, kind, controller, progress }: Attempt): Promise<Made> {
    let made: Made | undefined;
    const whatOf = { 'shadow-copy': `a shadow copy of ${machine}`, replicate: `a replication of ${machine}` };
    const prepared = {
      claim: { kind: 'request', machine },
      what: `${whatOf[kind]}, as its policy says`,
      run: async (_services: Services, { signal }: { readonly signal: AbortSignal }) => {
        signal.addEventListener('abort', () => {
          controller.abort(signal.reason);
        });
        const before = services.engine.planning().upToDate(machine)?.isReplica === true;
        const { notes, ...result } = await backUpWithProgress(services, machine, { signal, progress }, kind);
        if (kind === 'replicate') {
          if (before) this.#collecting.soon(FORMER_REPLICAS_MS);
          made = { ...result, notes };
          return;
        }
        const pruned = await pruneAfter(services, machine, signal);
        if (pruned.deleted > 0) this.#collecting.soon();
        made = { ...result, notes: [...notes, ...pruned.notes] };
      },
    } as const;
    await runJob({ caller: OWNER, gone: controller.signal, id }, prepared, services, this.#options);
    if (made !== undefined) return made;
    throw new TypeError('a backup ended without a result');
  }

  async #lookAtChanges(): Promise<ChangesLook> {
    const { engine } = await this.#options.services();
    const { machines } = await engine.figures();
    return { machines: machines.map(({ machine }) => machine), held: engine.heldMachines() };
  }

  async #collect(gone: AbortSignal): Promise<void> {
    const services = await this.#options.services();
    const prepared = {
      claim: { kind: 'gc' },
      what: 'the store, since shadow copies were deleted',
      run: ({ engine }: Services, { signal, progress }: JobContext) => engine.gc({ signal, progress }),
    } as const;
    await runJob({ caller: OWNER, gone }, prepared, services, this.#options);
  }
}

/** Where the records can't be read nothing is done by itself; everything else goes on. */
export async function orSay(work: Promise<void>, log: Log): Promise<void> {
  try {
    await work;
  } catch (error) {
    log.error('scheduling does not start', { error: messageOf(error) });
  }
}
