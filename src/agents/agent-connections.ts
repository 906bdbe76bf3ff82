import { randomBytes } from 'node:crypto';
import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type {
  AgentBackupResult,
  AgentLimits,
  AgentTask,
  AgentTaskLine,
  DiscoveryReport,
  TaskOutcome,
} from '../protocol/agents-api.js';
import { fromWireError } from '../protocol/wire-error.js';

/** How long an agent is waited for that went away in the midst of a task, says nothing while it has one, or does not end what is cancelled. */
const PATIENCE_MS = 10 * 60 * 1000;

/** A task without the name that it gets. */
export type NewTask = AgentTask extends infer T ? (T extends AgentTask ? Omit<T, 'id'> : never) : never;

interface Pending {
  readonly host: string;
  readonly task: AgentTask;
  readonly settle: (outcome: TaskOutcome) => void;
  readonly fail: (error: unknown) => void;
  readonly signal: AbortSignal;
}

interface Connected {
  readonly send: (line: AgentTaskLine) => void;
  /** Ends the connection. */
  readonly close: (reason: UmbraError) => void;
}

/** The agents that are connected, what they see, and what they are at. */
export class AgentConnections {
  readonly #clock: Clock;
  readonly #connected = new Map<string, Connected>();
  readonly #reports = new Map<string, DiscoveryReport>();
  /** When each host's agent was heard of last, by the monotonic clock. */
  readonly #heardMs = new Map<string, number>();
  readonly #pending = new Map<string, Pending>();
  readonly #waits = new Map<string, () => void>();
  readonly #listeners: ((host: string) => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isConnected(host: string): boolean {
    return this.#connected.has(host);
  }

  /** The hosts whose agents are connected. */
  hosts(): readonly string[] {
    return [...this.#connected.keys()];
  }

  /** How many agents are connected. */
  get count(): number {
    return this.#connected.size;
  }

  /** `listener` is told of every agent that listens from now on. */
  onConnect(listener: (host: string) => void): void {
    this.#listeners.push(listener);
  }

  /** What each agent said last, also those that are gone. */
  reports(): ReadonlyMap<string, DiscoveryReport> {
    return this.#reports;
  }

  report(host: string, report: DiscoveryReport): void {
    this.heard(host);
    this.#reports.set(host, report);
  }

  /** An agent says that it lives: with tasks, it does each minute. */
  heard(host: string): void {
    this.#heardMs.set(host, this.#clock.monotonic());
  }

  /**
   * An agent listens. One of the same host that did before is dropped: its connection is dead, or it was started anew.
   * @param running - the tasks that it is at; others of it that the server waits for are lost
   * @returns called when it listens no more
   */
  connect(host: string, running: readonly string[], connection: Connected): () => void {
    this.#connected.get(host)?.close(new UmbraError('CANCELLED', 'the agent connected anew'));
    this.#connected.set(host, connection);
    this.heard(host);
    this.#waits.get(host)?.();
    for (const [id, { host: of, fail }] of this.#pending) {
      if (of === host && !running.includes(id))
        fail(new UmbraError('AGENT_FAILED', `the agent of ${host} was started anew`));
    }
    // What was cancelled while it was away is not wanted, either.
    for (const id of running) if (this.#pending.get(id)?.signal.aborted !== false) connection.send({ cancel: id });
    for (const listener of this.#listeners) listener(host);
    return () => {
      if (this.#connected.get(host) !== connection) return;
      this.#connected.delete(host);
      this.#waits.set(
        host,
        this.#clock.after(PATIENCE_MS, () => {
          this.#giveUp(host);
        }),
      );
    };
  }

  /** Say what an agent keeps to from now on; one that is not connected hears nothing of it. */
  limit(host: string, limits: AgentLimits): void {
    this.#connected.get(host)?.send({ limits });
  }

  /** How a task of this host ended; one that nobody waits for is let be. */
  finish(host: string, outcome: TaskOutcome): void {
    this.heard(host);
    const pending = this.#pending.get(outcome.id);
    if (pending?.host === host) pending.settle(outcome);
  }

  /**
   * Have an agent do something. One that says nothing for ten minutes, or does not end what was cancelled, is no longer waited for, and
   * its connection is closed: it would keep others from their turn for ever.
   * @returns its result; undefined for tasks that have none
   * @throws {UmbraError} AGENT_UNREACHABLE when it is not connected, does not come back, or says nothing; what it failed with; CANCELLED
   */
  async run(host: string, task: NewTask, signal: AbortSignal): Promise<AgentBackupResult | undefined> {
    const connection = this.#connected.get(host);
    if (connection === undefined) throw notConnected(host);
    const id = randomBytes(8).toString('hex');
    const named: AgentTask = { ...task, id };
    const outcome = new Promise<TaskOutcome>((settle, fail) =>
      this.#pending.set(id, { host, task: named, settle, fail, signal }),
    );
    let stopWaiting = this.#watch(host, id);
    const cancel = (): void => {
      this.#connected.get(host)?.send({ cancel: id });
      stopWaiting();
      stopWaiting = this.#clock.after(PATIENCE_MS, () => {
        this.#drop(
          host,
          id,
          new UmbraError('CANCELLED', `cancelled; the agent of ${host} does not say that it has ended`),
        );
      });
    };
    signal.addEventListener('abort', cancel);
    try {
      connection.send({ task: named });
      if (signal.aborted) cancel();
      const { result, error } = await outcome;
      if (error !== undefined) throw fromWireError(error);
      return result;
    } finally {
      stopWaiting();
      signal.removeEventListener('abort', cancel);
      this.#pending.delete(id);
    }
  }

  /** The server stops: agents come back when it is there again. */
  close(reason: UmbraError): void {
    for (const stop of this.#waits.values()) stop();
    for (const { fail } of this.#pending.values()) fail(reason);
    for (const { close } of this.#connected.values()) close(reason);
  }

  /** Drop a task when nothing was heard of its agent for too long. One that is not connected is waited for otherwise. */
  #watch(host: string, id: string): () => void {
    const beganMs = this.#clock.monotonic();
    let stop = (): void => undefined;
    const look = (): void => {
      const silentMs = this.#clock.monotonic() - Math.max(beganMs, this.#heardMs.get(host) ?? beganMs);
      if (silentMs >= PATIENCE_MS && this.isConnected(host)) this.#drop(host, id, silent(host));
      else stop = this.#clock.after(PATIENCE_MS - (silentMs % PATIENCE_MS), look);
    };
    look();
    return () => {
      stop();
    };
  }

  #drop(host: string, id: string, error: UmbraError): void {
    this.#pending.get(id)?.fail(error);
    this.#connected.get(host)?.close(error);
  }

  #giveUp(host: string): void {
    for (const pending of this.#pending.values()) if (pending.host === host) pending.fail(notConnected(host));
  }
}

function silent(host: string): UmbraError {
  return new UmbraError('AGENT_UNREACHABLE', `the agent of ${host} is connected and says nothing`, {
    hint: `On ${host}, look what "umbra agent run" is at, and start it anew.`,
  });
}

function notConnected(host: string): UmbraError {
  return new UmbraError('AGENT_UNREACHABLE', `the agent of ${host} is not connected`, {
    hint: `On ${host}, look whether "umbra agent run" is running and what it says.`,
  });
}
