import type { Clock } from '../../src/common/clock.js';
import { messageOf } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type { GuestControl } from '../checkpoints/guest-control.js';
import { undoStandstill } from '../checkpoints/let-go.js';
import type { CheckpointScripts } from '../checkpoints/scripts.js';
import { standstill } from '../checkpoints/standstill.js';
import type { StandstillNotes } from '../checkpoints/standstill-note.js';
import type { LibvirtAddress } from '../libvirt/address.js';
import { LibvirtGuestControl } from '../libvirt/guest-control.js';
import { Libvirt } from '../libvirt/libvirt.js';
import { QemuGuestControl } from '../qemu/guest-control.js';
import { QmpClient } from '../qemu/qmp.js';
import type { BringToStandstill } from '../trackers/filter/filter-tracker.js';

/** A connection to what runs a machine. */
export interface OpenedControl {
  readonly control: GuestControl;
  /** Never rejects. */
  readonly close: () => Promise<void>;
}

export interface MachineStandstillOptions {
  readonly machine: string;
  /** Absent for a machine that nothing here can stop: then whoever records its writes holds them for an instant. */
  readonly open?: () => Promise<OpenedControl>;
  readonly quiesce: boolean;
  readonly freezeMs: number;
  readonly scripts?: CheckpointScripts;
  readonly notes: StandstillNotes;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long the action may take. */
const ACTION_MS = 10_000;

/**
 * Brings a machine to a standstill through what runs it, libvirt or QEMU. If that can't be reached the action is done all the same,
 * with a remark: what records the writes of the machine needs nobody's help for an instant of them.
 */
export function machineStandstill(options: MachineStandstillOptions): BringToStandstill {
  const { open, notes, ...settings } = options;
  return async (action, signal) => {
    const wish = { ...settings, actionMs: ACTION_MS, signal };
    const opened = await reach(open);
    if (typeof opened === 'string') {
      const done = await standstill(new Unstoppable(opened), wish, action);
      return { ...done, pauseMs: undefined };
    }
    try {
      await undoStandstill(opened.control, { ...settings, notes });
      return await standstill(opened.control, { ...wish, notes }, action);
    } finally {
      await opened.close();
    }
  };
}

/** @returns why it can't be reached, for people */
async function reach(open: MachineStandstillOptions['open']): Promise<OpenedControl | string> {
  if (open === undefined) return 'no hypervisor that is spoken to runs it';
  try {
    return await open();
  } catch (error) {
    return messageOf(error);
  }
}

/** A domain of libvirt's. */
export async function openLibvirtControl(address: LibvirtAddress, uuid: string, clock: Clock): Promise<OpenedControl> {
  const libvirt = await Libvirt.open(address, clock);
  try {
    const control = new LibvirtGuestControl(libvirt, await libvirt.domainByUuid(uuid));
    return { control, close: () => libvirt.close() };
  } catch (error) {
    await libvirt.close();
    throw error;
  }
}

/** A QEMU with a socket of the agent's. */
export async function openQemuControl(
  qmpSocket: string,
  guestAgentSocket: string | undefined,
  clock: Clock,
): Promise<OpenedControl> {
  const qmp = await QmpClient.open({ socketPath: qmpSocket, clock });
  const agent = guestAgentSocket === undefined ? {} : { guestAgentSocket };
  const control = new QemuGuestControl({ qmp, qmpSocket, clock, ...agent });
  const close = (): Promise<void> => {
    control.releaseAgent();
    qmp.close();
    return Promise.resolve();
  };
  return { control, close };
}

/** A machine that runs on, whatever is asked of it. */
class Unstoppable implements GuestControl {
  readonly runsOn = true;
  readonly #reason: string;

  constructor(reason: string) {
    this.#reason = reason;
  }

  state(): Promise<'running'> {
    return Promise.resolve('running');
  }

  prepareFreeze(): Promise<string> {
    return Promise.resolve(this.#reason);
  }

  async freeze(): Promise<void> {
    // It is never prepared.
  }

  async thaw(): Promise<void> {
    // It is never frozen.
  }

  async pause(): Promise<void> {
    // See above.
  }

  async resume(): Promise<void> {
    // It was never paused.
  }
}
