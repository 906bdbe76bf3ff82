import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type {
  AgentBackupResult,
  AgentLimits,
  AgentTask,
  DiscoveredMachine,
  DiscoveryReport,
  TaskOutcome,
} from '../../src/protocol/agents-api.js';
import { toWireError } from '../../src/protocol/wire-error.js';
import { findMachine } from './find-machine.js';
import type { ServerApi } from './server-api.js';

/** The work of an agent, whatever it works on. */
export interface AgentWork {
  /** All machines of this host. Never rejects: what can't be looked at is a note. */
  discover(): Promise<DiscoveryReport>;
  /** What holds from now on, also for backups that run. */
  limit(limits: AgentLimits): void;
  /** @throws {UmbraError} */
  backUp(task: BackupTask, machine: DiscoveredMachine, signal: AbortSignal): Promise<AgentBackupResult>;
  /**
   * Let machines go on whose backups were never ended, since an agent was killed, and take away what is left in them. One that can't be
   * reached, and what later backups leave, is tried again until the signal is aborted.
   */
  recover(signal: AbortSignal): Promise<void>;
  /** Take away what is kept to follow a machine's changes. @throws {UmbraError} */
  forget(task: ForgetTask, machine: DiscoveredMachine): Promise<void>;
}

export type BackupTask = Extract<AgentTask, { kind: 'backup' }>;
export type ForgetTask = Extract<AgentTask, { kind: 'forget' }>;

export interface AgentOptions {
  readonly server: ServerApi;
  readonly work: AgentWork;
  readonly clock: Clock;
  readonly log: Log;
  /** How often the agent looks for machines. */
  readonly discoverEveryMs: number;
  /** How many backups run at a time; others wait. */
  readonly maxBackups: number;
  /** How often it says that it is at its tasks; a minute when absent. */
  readonly aliveEveryMs?: number;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** An agent that has tasks says so often that it is at them; the server waits for ten times as long. */
const ALIVE_MS = 60_000;

interface RunningTask {
  readonly controller: AbortController;
}

/** Listens to its server, does what that says, and tells it what there is on this host. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #running = new Map<string, RunningTask>();
  /** Outcomes that the server has not heard of. */
  readonly #outcomes = new Map<string, TaskOutcome>();
  readonly #slots: Slots;
  #reported = '';

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#slots = new Slots(options.maxBackups);
  }

  /**
   * Run until the signal is aborted; what the agent is at then is cancelled, and waited for.
   * @throws {UmbraError} UNAUTHENTICATED when the server knows this agent no longer
   */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    await this.#recover(either);
    const others = Promise.all([this.#discoverOn(either), this.#sayOn(either)]);
    try {
      await this.#listenOn(either);
    } finally {
      over.abort();
      for (const { controller } of this.#running.values()) controller.abort(cancelled());
      await others;
      while (this.#running.size > 0) await sleep(20);
    }
  }

  /** First of all: guests may stand still. */
  async #recover(signal: AbortSignal): Promise<void> {
    await this.#options.work.recover(signal).catch((error: unknown) => {
      this.#options.log.error('what backups left cannot be read', { error: messageOf(error) });
    });
  }

  async #listenOn(signal: AbortSignal): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    while (!signal.aborted) {
      try {
        await this.#listen(signal, () => (waitMs = FIRST_WAIT_MS));
      } catch (error) {
        if (isUmbraError(error, 'UNAUTHENTICATED')) throw error;
        await this.#wait(error, waitMs, signal);
        waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
      }
    }
  }

  async #listen(signal: AbortSignal, onConnected: () => void): Promise<void> {
    const { server, log } = this.#options;
    const running = [...this.#running.keys(), ...this.#outcomes.keys()];
    this.#reported = '';
    let isFirst = true;
    for await (const { limits, task, cancel } of server.tasks(running, signal)) {
      if (isFirst) {
        log.info('connected to the server');
        onConnected();
        await this.#deliver();
        void this.#report().catch(this.#failed);
      }
      isFirst = false;
      if (limits !== undefined) this.#options.work.limit(limits);
      if (cancel !== undefined) this.#running.get(cancel)?.controller.abort(cancelled());
      if (task !== undefined) this.#start(task);
    }
    throw new UmbraError('SERVER_UNREACHABLE', 'the server ended the connection');
  }

  async #wait(why: unknown, waitMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#options.log.warn('the server cannot be spoken to', { error: messageOf(why), againInMs: waitMs });
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  }

  #start(task: AgentTask): void {
    const controller = new AbortController();
    this.#running.set(task.id, { controller });
    void this.#perform(task, controller.signal).then(async (outcome) => {
      this.#running.delete(task.id);
      this.#outcomes.set(task.id, outcome);
      await this.#deliver();
    });
  }

  /** Never rejects. */
  async #perform(task: AgentTask, signal: AbortSignal): Promise<TaskOutcome> {
    const { log } = this.#options;
    try {
      const result = await this.#do(task, signal);
      log.info('task done', { kind: task.kind, ...('machine' in task ? { machine: task.machine.name } : {}) });
      return { id: task.id, ...(result === undefined ? {} : { result }) };
    } catch (error) {
      const machine = 'machine' in task ? { machine: task.machine.name } : {};
      log.warn('task failed', { kind: task.kind, ...machine, error: messageOf(error) });
      return { id: task.id, error: toWireError(signal.aborted && !isUmbraError(error) ? cancelled() : error) };
    }
  }

  async #do(task: AgentTask, signal: AbortSignal): Promise<AgentBackupResult | undefined> {
    const { work } = this.#options;
    if (task.kind === 'discover') {
      await this.#report();
      return undefined;
    }
    const machine = findMachine(await work.discover(), task.machine);
    if (task.kind === 'forget') {
      await work.forget(task, machine);
      return undefined;
    }
    return await this.#slots.use(() => work.backUp(task, machine, signal));
  }

  /** Tell the server how tasks ended; what it does not hear now it hears when it is there again. */
  async #deliver(): Promise<void> {
    for (const [id, outcome] of this.#outcomes) {
      try {
        await this.#options.server.finish(outcome);
        this.#outcomes.delete(id);
      } catch (error) {
        this.#failed(error);
        return;
      }
    }
  }

  async #discoverOn(signal: AbortSignal): Promise<void> {
    await repeat(this.#options.discoverEveryMs, signal, () => this.#report().catch(this.#failed));
  }

  async #sayOn(signal: AbortSignal): Promise<void> {
    const { server, aliveEveryMs = ALIVE_MS } = this.#options;
    await repeat(aliveEveryMs, signal, async () => {
      if (this.#running.size > 0) await server.alive().catch(this.#failed);
    });
  }

  /** Look for machines, and tell the server if something is different. */
  async #report(): Promise<void> {
    const report = await this.#options.work.discover();
    const text = JSON.stringify(report);
    if (text === this.#reported) return;
    await this.#options.server.report(report);
    this.#reported = text;
  }

  readonly #failed = (error: unknown): void => {
    this.#options.log.warn('the server could not be told', { error: messageOf(error) });
  };
}

/** So many at a time. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

async function repeat(everyMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  for (;;) {
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await work();
  }
}

function cancelled(): UmbraError {
  return new UmbraError('CANCELLED', 'cancelled');
}
