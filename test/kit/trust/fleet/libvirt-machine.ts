import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { list, record, text } from '../../../../agent/json-values.js';
import { domainXml, type PrivateLibvirt } from '../../libvirt.js';
import { DISK_BYTES } from '../../machine-lab.js';
import { firmware, waitForWrites } from '../../qemu-machine.js';
import { qemuImg } from '../../qemu.js';
import { EVERY_MS, ofSeveral, type FleetMachine } from './machine.js';
import { compareExports, leftInQemu, runState, type Monitor } from './monitor.js';

/** A domain of libvirt's with the guest that writes to both disks of its IDE bus. */
export class LibvirtFleetMachine implements FleetMachine {
  readonly name = 'domain';
  readonly settings = {};
  readonly volumes = ['hda', 'hdb'] as const;
  readonly #libvirt: PrivateLibvirt;
  readonly #directory: string;
  readonly #monitor: Monitor;

  private constructor(libvirt: PrivateLibvirt) {
    this.#libvirt = libvirt;
    this.#directory = join(libvirt.directory, this.name);
    this.#monitor = { execute: (command, args) => this.#execute(command, args) };
  }

  static async make(libvirt: PrivateLibvirt): Promise<LibvirtFleetMachine> {
    const machine = new LibvirtFleetMachine(libvirt);
    const directory = machine.#directory;
    mkdirSync(directory);
    const bios = join(directory, 'firmware');
    writeFileSync(bios, firmware(true, EVERY_MS));
    const disks = machine.volumes.map((target) => ({ target, path: machine.#path(target), format: 'qcow2' }));
    for (const { path } of disks) qemuImg('create', '-q', '-f', 'qcow2', path, String(DISK_BYTES));
    const xml = domainXml({ name: machine.name, disks })
      .replaceAll("bus='virtio'", "bus='ide'")
      .replace('hvm</type>', `hvm</type><loader readonly='yes' type='rom'>${bios}</loader>`)
      // With an APIC, which nobody sets up, the timer's interrupt would not arrive.
      .replace('<devices>', "<cpu><model>qemu64</model><feature policy='disable' name='apic'/></cpu><devices>");
    await libvirt.define(xml);
    return machine;
  }

  async start(): Promise<void> {
    // libvirtd may have been killed, too; and an agent that reads the images of a domain that is off holds their locks.
    while (!(await this.#isOff()) || !(await this.#hasStarted())) await sleep(50);
    await this.writes();
  }

  async kill(): Promise<void> {
    await this.#libvirt.killQemu(this.name);
  }

  async writes(): Promise<void> {
    await waitForWrites(this.#monitor);
  }

  async pause(): Promise<void> {
    await this.#libvirt.virsh('suspend', this.name);
  }

  async resume(): Promise<void> {
    await this.#libvirt.virsh('resume', this.name);
  }

  async state(): Promise<string> {
    return await runState(this.#monitor);
  }

  async left(): Promise<string[]> {
    const checkpoints = (await this.#libvirt.virsh('checkpoint-list', this.name, '--name')).split('\n');
    const job = (await this.#libvirt.virsh('domjobinfo', this.name)).trim();
    return [
      ...ofSeveral(checkpoints.filter((name) => name !== '')).map((name) => `checkpoint ${name}`),
      ...(/^Job type: +None$/.test(job) ? [] : [job]),
      ...(await leftInQemu(this.#monitor, (node) => node.startsWith('libvirt-'))),
    ];
  }

  async differences(raw: (volume: string) => string): Promise<string[]> {
    const blocks = list(await this.#monitor.execute('query-block')).map((block) => record(record(block)['inserted']));
    const disks = this.volumes.map((volume) => {
      const block = blocks.find((inserted) => inserted['file'] === this.#path(volume));
      return { node: text(block?.['node-name']) ?? '', raw: raw(volume) };
    });
    return await compareExports(this.#monitor, this.#directory, disks);
  }

  async #isOff(): Promise<boolean> {
    return await this.#libvirt.virsh('domstate', this.name).then(
      (state) => state.trim() === 'shut off',
      () => false,
    );
  }

  async #hasStarted(): Promise<boolean> {
    try {
      await this.#libvirt.virsh('start', this.name);
      return true;
    } catch (error) {
      if (String(error).includes('Failed to get "write" lock')) return false;
      throw error;
    }
  }

  #path(volume: string): string {
    return join(this.#directory, `${volume}.qcow2`);
  }

  async #execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    const message = JSON.stringify({ execute: command, ...(args && { arguments: args }) });
    const answer = record(JSON.parse(await this.#libvirt.virsh('qemu-monitor-command', this.name, message)));
    if ('error' in answer) throw new Error(`${message}: ${JSON.stringify(answer['error'])}`);
    return answer['return'];
  }
}
