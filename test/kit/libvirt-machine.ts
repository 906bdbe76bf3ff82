import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { list, record, text } from '../../agent/json-values.js';
import type { Domain } from '../../agent/libvirt/domain.js';
import { Libvirt } from '../../agent/libvirt/libvirt.js';
import {
  LibvirtBitmapTracker,
  type LibvirtBitmapOptions,
} from '../../agent/trackers/qemu-bitmap-libvirt/libvirt-bitmap-tracker.js';
import type { Guest } from './guest.js';
import { domainXml, type PrivateLibvirt } from './libvirt.js';
import { qemuImg } from './qemu.js';

export const DISK_BYTES = 8 * 1024 * 1024;

/** A domain of a private libvirt with disks of 8 MiB, and what a tracker of it needs. */
export class LibvirtMachine {
  readonly name: string;
  readonly uuid: string;
  /** Of the machine alone: `state`, `scratch` and `run` are the tracker's. */
  readonly directory: string;
  readonly daemon: PrivateLibvirt;
  readonly #disks: { target: string; path: string; format: string }[] = [];

  constructor(daemon: PrivateLibvirt, name: string, formats: readonly string[]) {
    this.daemon = daemon;
    this.name = name;
    this.uuid = `6f2a1b3c-0001-4000-8000-${Buffer.from(name).toString('hex').padStart(12, '0').slice(0, 12)}`;
    this.directory = join(daemon.directory, name);
    for (const part of ['', 'state', 'scratch', 'run']) mkdirSync(join(this.directory, part));
    for (const format of formats) this.addDisk(format);
  }

  /** Before {@link define}. @param directory - where its image lies; the machine's when absent */
  addDisk(format: string, directory = this.directory): void {
    const target = `vd${'abcdef'.charAt(this.#disks.length)}`;
    const path = join(directory, `${target}.${format}`);
    qemuImg('create', '-q', '-f', format, path, String(DISK_BYTES));
    this.#disks.push({ target, path, format });
  }

  async define(devices = '', guest?: Guest): Promise<void> {
    const domain = { name: this.name, uuid: this.uuid, disks: this.#disks, devices };
    await this.daemon.define(domainXml({ ...domain, ...(guest !== undefined && { guest }) }));
  }

  /** Start it, paused, without a definition: libvirt forgets it when it ends. */
  async create(): Promise<void> {
    const path = join(this.directory, 'transient.xml');
    writeFileSync(path, domainXml({ name: this.name, uuid: this.uuid, disks: this.#disks }));
    await this.daemon.virsh('create', path, '--paused');
  }

  /** Paused: then it takes no time of a processor. */
  async start(how: 'paused' | 'running' = 'paused'): Promise<void> {
    await this.daemon.virsh('start', this.name, ...(how === 'paused' ? ['--paused'] : []));
  }

  /** QEMU ends in good order: it keeps its bitmaps. */
  async stop(): Promise<void> {
    await this.daemon.virsh('destroy', '--graceful', this.name);
  }

  /** Nothing is kept. */
  async kill(): Promise<void> {
    await this.daemon.killQemu(this.name);
    while ((await this.daemon.virsh('domstate', this.name)).trim() !== 'shut off');
  }

  /** Write to a disk past the guest: `write -P 7 1M 64k`. @param disk - its number */
  async write(disk: number, command: string): Promise<void> {
    const device = `/machine/peripheral/virtio-disk${disk}/virtio-backend`;
    await this.daemon.virsh('qemu-monitor-command', this.name, '--hmp', `qemu-io -d ${device} "${command}"`);
  }

  tracker(more: Partial<LibvirtBitmapOptions> = {}): LibvirtBitmapTracker {
    return new LibvirtBitmapTracker({ ...this.trackerOptions(), ...more });
  }

  trackerOptions(): LibvirtBitmapOptions {
    return {
      machine: this.name,
      uuid: this.uuid,
      address: this.daemon.address,
      stateDirectory: join(this.directory, 'state'),
      scratchDirectory: join(this.directory, 'scratch'),
      runtimeDirectory: join(this.directory, 'run'),
    };
  }

  /** The socket of the backup that runs. */
  backupSocket(): string {
    const [directory = 'none'] = readdirSync(join(this.directory, 'run'));
    return join(this.directory, 'run', directory, 'socket');
  }

  /** Checkpoints, bitmaps and jobs of a running domain, and files in the tracker's directories but the list of checkpoints. */
  async left(): Promise<string[]> {
    const checkpoints = (await this.daemon.virsh('checkpoint-list', this.name, '--name')).split('\n');
    const files = ['scratch', 'run', 'state'].flatMap((name) => readdirSync(join(this.directory, name)));
    const nodes = await this.#ask('query-named-block-nodes');
    const bitmaps = nodes.flatMap((node) => list(node['dirty-bitmaps']).map((each) => record(each)['name']));
    const jobs = (await this.#ask('query-jobs')).map(({ id }) => id);
    return [
      ...checkpoints.filter((name) => name !== '').map((name) => `checkpoint ${name}`),
      ...bitmaps.map((name) => `bitmap ${text(name) ?? ''}`),
      ...jobs.map((id) => `job ${text(id) ?? ''}`),
      ...files.filter((name) => name !== 'checkpoints.json').map((name) => `file ${name}`),
    ].sort();
  }

  async #ask(execute: string): Promise<Readonly<Record<string, unknown>>[]> {
    const answer = await this.daemon.virsh('qemu-monitor-command', this.name, JSON.stringify({ execute }));
    return list(record(JSON.parse(answer))['return']).map(record);
  }
}

/** A connection of the test's own, and the machine's domain. */
export async function connectTo(t: Test, machine: LibvirtMachine): Promise<{ libvirt: Libvirt; domain: Domain }> {
  const libvirt = await Libvirt.open(machine.daemon.address);
  t.teardown(() => libvirt.close());
  return { libvirt, domain: await libvirt.domainByUuid(machine.uuid) };
}
