import type { Clock } from '../common/clock.js';
import { isUmbraError } from '../common/errors.js';
import type { LettingGo, ProtectedMachine } from '../protocol/agents-api.js';
import type { WireError } from '../protocol/api.js';
import { toWireError } from '../protocol/wire-error.js';
import type { Machines } from '../store/machines.js';
import type { AgentConnections } from './agent-connections.js';

/** Who unprotects a machine waits no longer for its agent: merging overlays may take hours. */
const WAIT_MS = 20_000;

interface LeavingOptions {
  readonly machines: Machines;
  readonly connections: AgentConnections;
  readonly clock: Clock;
}

/**
 * The machines that are no longer protected, until their agents have taken away what they kept there. The store keeps which ones
 * they are; why something is left the agents say again.
 */
export class LeavingMachines {
  readonly #options: LeavingOptions;
  /** By name; never rejects. */
  readonly #working = new Map<string, Promise<void>>();
  /** Why something is left, by name. */
  readonly #left = new Map<string, WireError>();

  constructor(options: LeavingOptions) {
    this.#options = options;
  }

  /**
   * Have the agent of a machine that is being left let go of it; answers what has become of that by then.
   * @param signal - whoever waits waits no more
   */
  async letGo(machine: ProtectedMachine, signal: AbortSignal): Promise<LettingGo> {
    await this.#untilLate(this.#start(machine), signal);
    return this.stateOf(machine);
  }

  /** Machines whose agent has come back are let go of. @throws {UmbraError} when the store can't be asked */
  async agentConnected(host: string): Promise<void> {
    for (const machine of this.#options.machines.leaving().filter((each) => each.host === host)) {
      // What an agent was at that was started anew has just failed.
      await this.#working.get(machine.name);
      if (this.#isLeaving(machine)) void this.#start(machine);
    }
  }

  stateOf({ name, host }: ProtectedMachine): LettingGo {
    if (!this.#isLeaving({ name })) return { agent: 'done' };
    if (this.#working.has(name)) return { agent: 'working' };
    if (!this.#options.connections.isConnected(host)) return { agent: 'unreachable' };
    const left = this.#left.get(name);
    return left === undefined ? { agent: 'unreachable' } : { agent: 'failed', left };
  }

  /** Never rejects; one at a time for each machine. */
  #start(machine: ProtectedMachine): Promise<void> {
    const { name } = machine;
    const running = this.#working.get(name);
    if (running !== undefined) return running;
    const work = this.#run(machine).finally(() => this.#working.delete(name));
    this.#working.set(name, work);
    return work;
  }

  async #run(machine: ProtectedMachine): Promise<void> {
    const { connections, machines } = this.#options;
    const { name, host } = machine;
    this.#left.delete(name);
    try {
      await connections.run(host, { kind: 'forget', machine }, new AbortController().signal).catch((error: unknown) => {
        if (!this.#isGone(error, host)) throw error;
      });
      await machines.gone(machine);
    } catch (error) {
      if (!isUmbraError(error, 'AGENT_UNREACHABLE')) this.#left.set(name, toWireError(error));
    }
  }

  #isLeaving({ name }: Pick<ProtectedMachine, 'name'>): boolean {
    return this.#options.machines.leaving().some((other) => other.name === name);
  }

  /** An agent that sees all there is, and no such machine, has nothing to take away. */
  #isGone(error: unknown, host: string): boolean {
    const report = this.#options.connections.reports().get(host);
    return isUmbraError(error, 'NOT_FOUND') && report?.notes.length === 0;
  }

  async #untilLate(work: Promise<void>, signal: AbortSignal): Promise<void> {
    let stop = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      stop = this.#options.clock.after(WAIT_MS, resolve);
      signal.addEventListener('abort', () => {
        resolve();
      });
      if (signal.aborted) resolve();
    });
    await Promise.race([work, late]);
    stop();
  }
}
