import { isUmbraError, messageOf, UmbraError } from '../../src/common/errors.js';
import type { MachineState } from '../../src/protocol/agents-api.js';
import type { GuestControl } from '../checkpoints/guest-control.js';
import { readyGuest } from '../checkpoints/ready-guest.js';
import { record } from '../json-values.js';
import type { Domain } from './domain.js';
import type { Libvirt } from './libvirt.js';
import { libvirtNumber } from './libvirt-error.js';
import { machineState } from './machine-state.js';
import { DOMAIN_STATE, LIBVIRT_ERROR, PAUSED } from './protocol.js';

/** How long the guest agent may take to say that it is there. */
const PING_MS = 2000;
/** libvirt's own limit is whole seconds, and counted by libvirt. */
const GRACE_MS = 500;
/** No guest agent is configured, or the domain is off: then nothing is frozen. */
const NOTHING_TO_THAW: readonly (number | undefined)[] = [
  LIBVIRT_ERROR.argumentUnsupported,
  LIBVIRT_ERROR.operationInvalid,
];

/** A domain as libvirt controls it. */
export class LibvirtGuestControl implements GuestControl {
  readonly #libvirt: Libvirt;
  readonly #domain: Domain;
  /** Settles when libvirt waits for the guest agent as long as ever. Never rejects. */
  #unlimited: Promise<void> | undefined;

  constructor(libvirt: Libvirt, domain: Domain) {
    this.#libvirt = libvirt;
    this.#domain = domain;
  }

  async state(): Promise<MachineState> {
    return machineState(await trackerFailed(this.#libvirt.state(this.#domain)));
  }

  async prepareFreeze(): Promise<string | undefined> {
    try {
      await this.#ask('guest-ping', {}, PING_MS);
      await readyGuest((command, args, timeoutMs) => this.#ask(command, args, timeoutMs));
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  async #ask(execute: string, args: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<unknown> {
    const command = JSON.stringify({ execute, arguments: args });
    const answer = await this.#libvirt.agentCommand(this.#domain, command, Math.ceil(timeoutMs / 1000));
    return record(JSON.parse(answer))['return'];
  }

  /**
   * libvirt waits for a guest agent for ever, and lets nobody thaw meanwhile: it is told to give up in time, until it is thawed.
   * Our own limit is a little later.
   */
  async freeze(timeoutMs: number, asking?: () => void): Promise<void> {
    const limitS = Math.max(1, Math.ceil(timeoutMs / 1000));
    await trackerFailed(this.#libvirt.setAgentTimeout(this.#domain, limitS));
    asking?.();
    await trackerFailed(this.#libvirt.freeze(this.#domain, limitS * 1000 + GRACE_MS));
  }

  async thaw(timeoutMs: number): Promise<void> {
    await this.#alive(async (libvirt) => {
      try {
        await libvirt.thaw(this.#domain, timeoutMs);
      } catch (error) {
        if (!NOTHING_TO_THAW.includes(libvirtNumber(error))) throw error;
      }
      // Without it nothing of ours goes wrong; and nobody waits for it who is to write again.
      this.#unlimited = libvirt.setAgentTimeout(this.#domain, undefined).catch(() => undefined);
    });
  }

  async settled(): Promise<void> {
    await this.#unlimited;
  }

  async pause(timeoutMs: number): Promise<void> {
    await trackerFailed(this.#libvirt.suspend(this.#domain, timeoutMs));
  }

  /** Only what somebody paused is resumed: a machine that stopped for an error of its disk is left as it is. */
  async resume(timeoutMs: number): Promise<void> {
    await this.#alive(async (libvirt) => {
      const { state, reason } = await libvirt.stateAndReason(this.#domain);
      if (state === DOMAIN_STATE.paused && reason === PAUSED.byUser) await libvirt.resume(this.#domain, timeoutMs);
    });
  }

  /** A machine is let go on also when the connection is gone: by one of its own. */
  async #alive(work: (libvirt: Libvirt) => Promise<void>): Promise<void> {
    if (!this.#libvirt.isLost) {
      await trackerFailed(work(this.#libvirt));
      return;
    }
    const libvirt = await trackerFailed(this.#libvirt.reopen());
    try {
      await trackerFailed(work(libvirt));
      await this.#unlimited;
    } finally {
      await libvirt.close();
    }
  }
}

/** A domain whose processors run on. To ask for its state first would have it wait longer for its thaw. */
export class NeverPaused extends LibvirtGuestControl {
  readonly runsOn = true;
}

/** What libvirt refused, as the error of whoever follows the changes of a machine. */
export function asTrackerError(error: unknown): unknown {
  if (!isUmbraError(error, 'HYPERVISOR_FAILED', 'HYPERVISOR_UNREACHABLE', 'HYPERVISOR_DENIED')) return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new UmbraError('TRACKER_FAILED', error.message, { ...hint, cause: error.cause });
}

async function trackerFailed<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw asTrackerError(error);
  }
}
