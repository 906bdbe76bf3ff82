import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fakeGuestAgent } from '../../fake-lines.js';
import { makeDisks } from '../../machine-lab.js';
import { startMachine, waitForWrites, type Machine, type MachineDisk } from '../../qemu-machine.js';
import type { Teardown } from '../../umbra-program.js';
import type { FleetMachine } from './machine.js';
import { compareExports, leftInQemu, runState } from './monitor.js';

/** No backup of so small a disk takes that long. */
const LOCKED_MS = 60_000;
const RETRY_MS = 100;

/** A QEMU with a QMP socket for the agent, and a guest agent that knows whether its file systems are at rest. */
export class QmpFleetMachine implements FleetMachine {
  readonly name = 'qmp';
  readonly settings: FleetMachine['settings'];
  readonly volumes = ['vda', 'vdb'] as const;
  readonly #t: Teardown;
  readonly #directory: string;
  readonly #disks: readonly MachineDisk[];
  readonly #guest: { isFrozen: boolean };
  #running: Machine | undefined;

  private constructor(t: Teardown, directory: string, guest: { isFrozen: boolean }, guestAgent: string) {
    this.#t = t;
    this.#directory = directory;
    this.#guest = guest;
    this.#disks = makeDisks(directory, ['qcow2', 'raw']);
    this.settings = { qmp: [{ name: this.name, socket: join(directory, 'qmp'), guestAgent }] };
  }

  static async make(t: Teardown, home: string): Promise<QmpFleetMachine> {
    const directory = join(home, 'qmp');
    mkdirSync(directory);
    const guest = { isFrozen: false };
    const { path } = await fakeGuestAgent(t, (command) => {
      if (command === 'guest-fsfreeze-freeze') guest.isFrozen = true;
      if (command === 'guest-fsfreeze-thaw') guest.isFrozen = false;
      if (command === 'guest-fsfreeze-status') return { return: guest.isFrozen ? 'frozen' : 'thawed' };
      return { return: command === 'guest-get-fsinfo' ? [{ mountpoint: '/', type: 'ext4' }] : 1 };
    });
    return new QmpFleetMachine(t, directory, guest, path);
  }

  async start(): Promise<void> {
    this.#guest.isFrozen = false;
    this.#running = await this.#startWhenLet();
    await this.writes();
  }

  /** An agent that reads the images of a machine that is off holds their locks. */
  async #startWhenLet(): Promise<Machine> {
    for (const began = performance.now(); ;) {
      try {
        return await startMachine(this.#t, this.#directory, { disks: this.#disks, writes: true });
      } catch (error) {
        if (performance.now() - began > LOCKED_MS) throw error;
      }
      await sleep(RETRY_MS);
    }
  }

  async kill(): Promise<void> {
    await this.#machine().kill();
  }

  async writes(): Promise<void> {
    await waitForWrites(this.#machine().monitor);
  }

  async pause(): Promise<void> {
    await this.#machine().monitor.execute('stop');
  }

  async resume(): Promise<void> {
    await this.#machine().monitor.execute('cont');
  }

  async state(): Promise<string> {
    return this.#guest.isFrozen ? 'frozen' : await runState(this.#machine().monitor);
  }

  async left(isFollowed = true): Promise<string[]> {
    return await leftInQemu(this.#machine().monitor, (node) => node.startsWith('disk-'), isFollowed);
  }

  async differences(raw: (volume: string) => string): Promise<string[]> {
    const disks = this.volumes.map((volume) => ({ node: `disk-${volume}`, raw: raw(volume) }));
    return await compareExports(this.#machine().monitor, this.#directory, disks);
  }

  #machine(): Machine {
    if (this.#running === undefined) throw new Error('the machine was not started');
    return this.#running;
  }
}
