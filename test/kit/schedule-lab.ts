import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { silentLog } from '../../src/common/log.js';
import type { HostLimits, Policy } from '../../src/policies/policy.js';
import type { JobKind } from '../../src/protocol/jobs-api.js';
import { storedJobs } from '../../src/scheduler/job-store.js';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import type { Attempt, Made, PlannedMachine, SchedulerParts } from '../../src/scheduler/scheduler-parts.js';
import { JobRecords } from '../../src/store/job-records.js';
import type { KvOperation, KvStore, KvWriter } from '../../src/store/kv.js';
import { openMemoryKv } from '../../src/store/memory-kv.js';
import { ManualClock } from './manual-clock.js';

/** So many jobs that have ended are kept here. */
export const MOST_ENDED = 40;

/** A shadow copy that was listed, or a try to make one. */
export interface Tried {
  readonly machine: string;
  readonly host: string;
  readonly beganMs: number;
  readonly kind: JobKind;
}

/** How a pretended backup goes. */
export interface Course {
  readonly takesMs: number;
  /** What it fails with; it makes a shadow copy without. */
  readonly error?: UmbraError;
  /** It is stored all the same. */
  readonly isUnheard?: boolean;
  readonly consistency?: Made['consistency'];
}

export interface LabOptions {
  readonly startMs: number;
  readonly machines: readonly PlannedMachine[];
  readonly policies: Readonly<Record<string, Policy>>;
  readonly limits?: (host: string) => HostLimits;
  readonly course: (machine: string) => Course;
  readonly random?: () => number;
  readonly wasThere?: (host: string) => boolean;
  readonly damagedSince?: (machine: string) => number | undefined;
  readonly onBegin?: (tried: Tried, running: readonly Tried[]) => void;
  readonly onMade?: (tried: Tried) => void;
  /** The database of an earlier lab. */
  readonly meta?: KvStore;
}

/** One life of a server: from its start until it is stopped, or dies at a durable write. */
interface Life {
  readonly scheduler: Scheduler;
  isAlive: boolean;
  /** Writes until it dies; Infinity for never. */
  writesLeft: number;
  readonly attempts: Set<Attempt>;
  /** Tells who waits for it that it is gone. */
  tell: () => void;
}

/** A scheduler over databases in memory, pretended machines, and a clock that goes as fast as it is told. */
export class ScheduleLab {
  readonly clock: ManualClock;
  machines: readonly PlannedMachine[];
  policies: Record<string, Policy>;
  readonly running = new Set<Tried>();
  readonly made: Tried[] = [];
  readonly tried: Tried[] = [];
  readonly meta: KvStore;
  readonly #options: LabOptions;
  readonly #latest = new Map<string, { name: string; timeMs: number }>();
  readonly #newest = new Map<string, { name: string; timeMs: number }>();
  #life: Life | undefined;
  #given: SchedulerParts | undefined;
  #lastId = 0;

  constructor(options: LabOptions) {
    this.#options = options;
    this.clock = new ManualClock(options.startMs);
    this.meta = options.meta ?? openMemoryKv();
    this.machines = options.machines;
    this.policies = { ...options.policies };
  }

  get scheduler(): Scheduler {
    if (this.#life === undefined) throw new UmbraError('INTERNAL', 'no server runs');
    return this.#life.scheduler;
  }

  /** What the scheduler works with. */
  get parts(): SchedulerParts {
    if (this.#given === undefined) throw new UmbraError('INTERNAL', 'no server runs');
    return this.#given;
  }

  isAlive(): boolean {
    return this.#life?.isAlive === true;
  }

  /** @param writes after so many durable writes it dies, before or after the last one took effect */
  async start(writes = Infinity): Promise<Scheduler> {
    const attempts = new Set<Attempt>();
    const life: { -readonly [K in keyof Life]?: Life[K] } = {
      isAlive: true,
      writesLeft: Infinity,
      attempts,
      tell: () => undefined,
    };
    const alive = (): boolean => life.isAlive === true;
    const records = new JobRecords(this.#dyingKv(() => life));
    const parts = this.#partsFor(alive, records, attempts);
    this.#given = parts;
    const scheduler = await Scheduler.open(parts);
    this.#life = Object.assign(life as Life, { scheduler });
    life.writesLeft = writes;
    scheduler.start();
    await settle();
    return scheduler;
  }

  /** An orderly end. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life?.isAlive !== true) return;
    const reason = new UmbraError('SERVER_STOPPING', 'the server is shutting down');
    const stopped = life.scheduler.stop();
    for (const { controller } of life.attempts) controller.abort(reason);
    const died = new Promise<void>((resolve) => (life.tell = resolve));
    await Promise.race([stopped, died]);
    this.#end(life);
  }

  /** The process is gone, and all that it did with it. */
  kill(): void {
    if (this.#life !== undefined) this.#end(this.#life);
  }

  #end(life: Life): void {
    life.isAlive = false;
    life.tell();
    this.running.clear();
  }

  /** Let the next thing happen that is to happen within `mostMs`. @returns false when nothing was left */
  async step(untilMs: number): Promise<boolean> {
    const nextMs = this.clock.nextMs ?? Infinity;
    const atMs = Math.min(nextMs, untilMs);
    this.clock.advance(Math.max(0, atMs - this.clock.now()));
    await settle();
    return nextMs <= untilMs;
  }

  /** Let time pass, thing by thing. */
  async run(ms: number): Promise<void> {
    const untilMs = this.clock.now() + ms;
    await settle();
    while (await this.step(untilMs));
  }

  /** Somebody makes a shadow copy without the scheduler. */
  makeByHand(machine: string): void {
    this.#list(machine, 'shadow-copy', { name: `by-hand-${this.clock.now()}`, timeMs: this.clock.now() });
  }

  /** The same of a replica. */
  replicateByHand(machine: string): void {
    this.#list(machine, 'replicate', { name: `by-hand-${this.clock.now()}`, timeMs: this.clock.now() });
  }

  #list(machine: string, kind: JobKind, newest: { name: string; timeMs: number }): void {
    if (kind === 'shadow-copy') this.#latest.set(machine, newest);
    this.#newest.set(machine, newest);
  }

  #partsFor(alive: () => boolean, records: JobRecords, attempts: Set<Attempt>): SchedulerParts {
    const { limits = () => ({}), random = () => 0 } = this.#options;
    return {
      machines: () => this.machines,
      policyOf: (machine) => this.#policyOf(machine),
      policyNameOf: (machine) => `policy of ${machine}`,
      limitsOf: limits,
      wasThere: (host) => this.#options.wasThere?.(host) ?? true,
      damagedSince: (machine) => this.#options.damagedSince?.(machine),
      latest: (machine) => this.#latest.get(machine),
      upToDate: (machine) => this.#newest.get(machine),
      backUp: (machine, attempt) => this.#backUp(machine, attempt, alive, attempts),
      jobs: storedJobs(() => records),
      mostEnded: MOST_ENDED,
      newId: (least) => (this.#lastId = Math.max(this.#lastId, least) + 1),
      clock: clockWhile(this.clock, alive),
      random,
      log: silentLog,
    };
  }

  #policyOf(machine: string): Policy {
    const policy = this.policies[machine];
    if (policy === undefined) throw new UmbraError('INTERNAL', `no policy for ${machine}`);
    return policy;
  }

  async #backUp(machine: string, attempt: Attempt, alive: () => boolean, attempts: Set<Attempt>): Promise<Made> {
    const host = this.machines.find(({ name }) => name === machine)?.host ?? '';
    const { kind } = attempt;
    const tried = { machine, host, beganMs: this.clock.now(), kind };
    this.#options.onBegin?.(tried, [...this.running]);
    this.running.add(tried);
    this.tried.push(tried);
    attempts.add(attempt);
    const { takesMs, error, isUnheard = false, consistency = 'crash' } = this.#options.course(machine);
    try {
      await this.#wait(takesMs, attempt.controller.signal, alive);
      if (error !== undefined && !isUnheard) throw error;
      const name = `copy-${this.made.length}`;
      this.#list(machine, kind, { name, timeMs: tried.beganMs });
      this.made.push(tried);
      this.#options.onMade?.(tried);
      if (error !== undefined) throw error;
      return { shadowCopy: name, consistency, notes: [] };
    } finally {
      attempts.delete(attempt);
      if (alive()) this.running.delete(tried);
    }
  }

  /** Never ends in a process that is gone. */
  #wait(ms: number, signal: AbortSignal, alive: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = clockWhile(this.clock, alive).after(ms, resolve);
      signal.addEventListener('abort', () => {
        cancel();
        reject(new UmbraError('CANCELLED', 'cancelled'));
      });
    });
  }

  #dyingKv(life: () => Partial<Life>): KvWriter {
    const { meta } = this;
    const write = async (operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> => {
      const now = life();
      if (now.isAlive !== true) await new Promise(() => undefined);
      now.writesLeft = (now.writesLeft ?? Infinity) - 1;
      const dies = now.writesLeft <= 0;
      const random = this.#options.random ?? ((): number => 0);
      if (!dies || random() < 0.5) await meta.write(operations, options);
      if (!dies) return;
      if (this.#life !== undefined) this.#end(this.#life);
      // Nobody is there any more to hear of it.
      await new Promise(() => undefined);
    };
    return {
      get: (key) => meta.get(key),
      getMany: (keys) => meta.getMany(keys),
      entries: (range) => meta.entries(range),
      keys: (range) => meta.keys(range),
      flush: () => meta.flush(),
      write,
    };
  }
}

/** The clock as a process has it: its timers end with it. */
function clockWhile(clock: Clock, alive: () => boolean): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delayMs, callback) =>
      clock.after(delayMs, () => {
        if (alive()) callback();
      }),
  };
}

/** All that follows at once has happened. */
async function settle(): Promise<void> {
  await setImmediate();
}
