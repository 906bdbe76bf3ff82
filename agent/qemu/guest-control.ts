import type { Clock } from '../../src/common/clock.js';
import { messageOf } from '../../src/common/errors.js';
import type { MachineState } from '../../src/protocol/agents-api.js';
import type { GuestControl } from '../checkpoints/guest-control.js';
import { readyGuest } from '../checkpoints/ready-guest.js';
import { GuestAgent } from './guest-agent.js';
import { machineStatus } from './machine-status.js';
import { QmpClient } from './qmp.js';

export interface QemuGuestControlOptions {
  readonly qmp: QmpClient;
  readonly qmpSocket: string;
  /** The guest agent's socket on the host; a machine without one has no file systems brought to rest. */
  readonly guestAgentSocket?: string;
  readonly clock: Clock;
}

/** A machine as its QEMU controls it. */
export class QemuGuestControl implements GuestControl {
  readonly #options: QemuGuestControlOptions;
  #qmp: QmpClient;
  #agent: GuestAgent | undefined;
  /** A standstill is being made: the connection is kept for it. */
  #keepsAgent = false;

  constructor(options: QemuGuestControlOptions) {
    this.#options = options;
    this.#qmp = options.qmp;
  }

  async state(): Promise<MachineState> {
    return (await machineStatus(this.#qmp)).state;
  }

  async prepareFreeze(): Promise<string | undefined> {
    if (this.#options.guestAgentSocket === undefined) return 'the machine has no guest agent';
    this.#keepsAgent = true;
    try {
      const agent = await this.#connected();
      if (agent !== undefined) {
        await readyGuest((command, args, timeoutMs) => agent.execute(command, timeoutMs, args), this.#options.clock);
      }
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  async freeze(timeoutMs: number): Promise<void> {
    const agent = await this.#connected();
    await agent?.freeze(timeoutMs);
  }

  async thaw(timeoutMs: number): Promise<void> {
    const agent = await this.#connected();
    await agent?.thaw(timeoutMs);
    if (!this.#keepsAgent) this.releaseAgent();
  }

  async pause(timeoutMs: number): Promise<void> {
    await this.#qmp.execute('stop', undefined, timeoutMs);
  }

  /** Only what is paused is resumed: a machine that stopped by itself, for an error of its disk, is left as it is. */
  async resume(timeoutMs: number): Promise<void> {
    const { qmpSocket: socketPath, clock } = this.#options;
    if (this.#qmp.failure) this.#qmp = await QmpClient.open({ socketPath, clock });
    const { name } = await machineStatus(this.#qmp, timeoutMs);
    if (name === 'paused') await this.#qmp.execute('cont', undefined, timeoutMs);
    // A connection of our own is in the way of the next checkpoint.
    if (this.#qmp !== this.#options.qmp) this.#qmp.close();
  }

  /** Others may talk to the guest agent again: it listens to one at a time. Idempotent. */
  releaseAgent(): void {
    this.#keepsAgent = false;
    this.#agent?.close();
    this.#agent = undefined;
  }

  /** Undefined if there is no guest agent. */
  async #connected(): Promise<GuestAgent | undefined> {
    const { guestAgentSocket: socketPath, clock } = this.#options;
    if (socketPath === undefined) return undefined;
    if (this.#agent?.failure !== undefined) this.#agent = undefined;
    this.#agent ??= await GuestAgent.open({ socketPath, clock });
    return this.#agent;
  }
}
