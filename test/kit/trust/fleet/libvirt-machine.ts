import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { list, record, text } from '../../../../agent/json-values.js';
import type { Guest } from '../../guest.js';
import { domainXml, type PrivateLibvirt } from '../../libvirt.js';
import { DISK_BYTES } from '../../machine-lab.js';
import { firmware, waitForWrites } from '../../qemu-machine.js';
import { qemuImg } from '../../qemu.js';
import { AGENT_CHANNEL, makeGuestDisk } from './agent-guest.js';
import { ofSeveral, type FleetMachine } from './machine.js';
import { compareExports, leftInQemu, runState, type Monitor } from './monitor.js';

/** What libvirt calls the devices. */
const DEVICES: Readonly<Record<string, string>> = {
  hda: 'ide0-0-0',
  hdb: 'ide0-0-1',
  vda: '/machine/peripheral/virtio-disk0/virtio-backend',
  vdb: '/machine/peripheral/virtio-disk1/virtio-backend',
};

export interface LibvirtFleetOptions {
  readonly name: string;
  /** Short; it is made, for the images. */
  readonly directory: string;
  readonly formats: readonly [string, string];
  readonly tracker?: 'differencing';
  readonly isOnFilledDisk?: boolean;
  /** Linux with a guest agent, instead of what only writes. */
  readonly guest?: Guest;
}

/** A domain of libvirt's with a guest that writes to both of its disks. */
export class LibvirtFleetMachine implements FleetMachine {
  readonly name: string;
  readonly settings = {};
  readonly volumes: readonly [string, string];
  readonly tracker: 'auto' | 'differencing';
  readonly isOnFilledDisk: boolean;
  readonly #libvirt: PrivateLibvirt;
  readonly #directory: string;
  readonly #monitor: Monitor;
  readonly #hasAgent: boolean;

  private constructor(libvirt: PrivateLibvirt, options: LibvirtFleetOptions) {
    const { name, directory, tracker = 'auto', isOnFilledDisk = false, guest } = options;
    this.name = name;
    this.volumes = guest === undefined ? ['hda', 'hdb'] : ['vda', 'vdb'];
    this.#hasAgent = guest !== undefined;
    this.tracker = tracker;
    this.isOnFilledDisk = isOnFilledDisk;
    this.#libvirt = libvirt;
    this.#directory = directory;
    this.#monitor = { execute: (command, args) => this.#execute(command, args) };
  }

  static async make(libvirt: PrivateLibvirt, options: LibvirtFleetOptions): Promise<LibvirtFleetMachine> {
    const machine = new LibvirtFleetMachine(libvirt, options);
    const { directory, formats, guest } = options;
    mkdirSync(directory);
    const disks = machine.volumes.map((target, index) => {
      const format = formats[index] ?? 'raw';
      return { target, path: join(directory, `${target}.${format}`), format };
    });
    if (guest !== undefined) {
      for (const { path, format } of disks) makeGuestDisk(path, format);
      await libvirt.define(domainXml({ name: machine.name, disks, guest, devices: AGENT_CHANNEL }));
      return machine;
    }
    const bios = join(directory, 'firmware');
    writeFileSync(bios, firmware(true));
    for (const { path, format } of disks) qemuImg('create', '-q', '-f', format, path, String(DISK_BYTES));
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
    // Its agent may come a moment later.
    while (!(await this.isThawed())) await sleep(50);
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

  async isThawed(): Promise<boolean> {
    if (!this.#hasAgent) return true;
    const command = '{"execute": "guest-fsfreeze-status"}';
    // Who asks at the same time as the agent does, or while libvirtd is away, gets an error.
    const answer = await this.#libvirt.virsh('qemu-agent-command', this.name, command).catch(() => '');
    return answer.includes('thawed');
  }

  /** A libvirt that was killed as it began a backup begins no other one. */
  async followHint(): Promise<void> {
    const isLost = await this.#libvirt.virsh('domjobinfo', this.name).then(
      () => false,
      (error: unknown) => String(error).includes('backup job data missing'),
    );
    if (!isLost) return;
    await this.kill();
    await this.#restartLibvirt();
    await this.start();
  }

  async left(isFollowed = true): Promise<string[]> {
    const checkpoints = (await this.#libvirt.virsh('checkpoint-list', this.name, '--name')).split('\n');
    const job = (await this.#libvirt.virsh('domjobinfo', this.name)).trim();
    return [
      ...ofSeveral(
        checkpoints.filter((name) => name !== ''),
        isFollowed,
      ).map((name) => `checkpoint ${name}`),
      ...(/^Job type: +None$/.test(job) ? [] : [job]),
      ...(await leftInQemu(this.#monitor, (node) => node.startsWith('libvirt-'), isFollowed)),
      ...(await this.#overlaysLeft(isFollowed)),
    ];
  }

  async differences(raw: (volume: string) => string): Promise<string[]> {
    const inserted = await this.#inserted();
    const disks = this.volumes.map((volume) => {
      return { node: text(inserted(volume)['node-name']) ?? '', raw: raw(volume) };
    });
    return await compareExports(this.#monitor, this.#directory, disks);
  }

  /** Overlays in excess of the one that a disk has between two backups if they follow it, and of none otherwise. */
  async #overlaysLeft(isFollowed: boolean): Promise<string[]> {
    const inserted = await this.#inserted();
    const tops = this.volumes.map((volume) => basename(text(inserted(volume)['file']) ?? ''));
    const wanted = tops.filter((name) => /^umbra-.*\.qcow2$/.test(name));
    const depth = this.tracker === 'differencing' && isFollowed ? 1 : 0;
    const files = readdirSync(this.#directory).filter((name) => name.startsWith('umbra-'));
    return [
      ...this.volumes.flatMap((volume) => {
        const { backing_file_depth: layers } = inserted(volume);
        return layers === depth ? [] : [`${String(layers)} layers below ${volume}`];
      }),
      ...(wanted.length === this.volumes.length * depth ? ofSeveral(wanted) : tops),
      ...files.filter((name) => !wanted.includes(name)).map((name) => `overlay ${name}`),
    ];
  }

  /** What QEMU says of the top of a disk. */
  async #inserted(): Promise<(volume: string) => Readonly<Record<string, unknown>>> {
    const blocks = list(await this.#monitor.execute('query-block')).map(record);
    return (volume) => record(blocks.find(({ qdev }) => qdev === DEVICES[volume])?.['inserted']);
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
      const said = String(error);
      if (said.includes('Failed to get "write" lock')) return false;
      // The same lost backup, of a domain that was killed before anybody followed the hint: it can't be started either.
      if (!said.includes('held by monitor=init-domain')) throw error;
      await this.#restartLibvirt();
      return false;
    }
  }

  async #restartLibvirt(): Promise<void> {
    await this.#libvirt.kill();
    await this.#libvirt.start();
  }

  async #execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    const message = JSON.stringify({ execute: command, ...(args && { arguments: args }) });
    const answer = record(JSON.parse(await this.#libvirt.virsh('qemu-monitor-command', this.name, message)));
    if ('error' in answer) throw new Error(`${message}: ${JSON.stringify(answer['error'])}`);
    return answer['return'];
  }
}
