import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import type { LibvirtAddress } from '../../agent/libvirt/address.js';
import { temporaryDirectory } from './temporary.js';

const run = promisify(execFile);
const START_MS = 60_000;

/** Where libvirtd keeps what it knows; all of it is hidden behind directories of the test's own. */
const DIRECTORIES = { config: '/etc/libvirt', state: '/run/libvirt', data: '/var/lib/libvirt' } as const;
const OTHERS = { cache: '/var/cache/libvirt', log: '/var/log/libvirt' } as const;

/** QEMU as root, which reaches the test's files; no cgroups, security labels or namespaces, which containers lack. */
const QEMU_CONF = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
`;

/** A libvirtd that knows nothing but what the test tells it, and that nobody else can reach. Needs root. */
export class PrivateLibvirt {
  readonly directory: string;
  readonly socketPath: string;
  readonly address: LibvirtAddress;
  #daemon: ChildProcess | undefined;

  constructor(directory: string) {
    this.directory = directory;
    this.socketPath = join(directory, 'run', 'libvirt-sock');
    this.address = { sockets: [this.socketPath], name: 'qemu:///system' };
    for (const name of ['run', ...Object.keys({ ...DIRECTORIES, ...OTHERS })]) mkdirSync(join(directory, name));
    writeFileSync(join(directory, 'config', 'qemu.conf'), QEMU_CONF);
    writeFileSync(
      join(directory, 'libvirtd.conf'),
      `unix_sock_dir = "${directory}/run"\nauth_unix_ro = "none"\nauth_unix_rw = "none"\nlog_outputs = "2:file:${directory}/libvirtd.log"\n`,
    );
  }

  /** Start the daemon, again after {@link stop}; domains live on in between. */
  async start(): Promise<void> {
    const mounts = Object.entries({ ...DIRECTORIES, ...OTHERS }).map(
      ([name, path]) => `mkdir -p ${path} && mount --bind ${join(this.directory, name)} ${path}`,
    );
    const program = `exec libvirtd -f ${join(this.directory, 'libvirtd.conf')} -p ${join(this.directory, 'pid')}`;
    const script = [...mounts, program].join(' && ');
    const daemon = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script], { stdio: 'ignore' });
    this.#daemon = daemon;
    for (let waitedMs = 0; !(await answers(this.socketPath)); waitedMs += 10) {
      if (waitedMs > START_MS || daemon.exitCode !== null) throw new Error(`libvirtd did not start: ${this.#log()}`);
      await setTimeout(10);
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon?.exitCode !== null || daemon.signalCode !== null) return;
    const gone = once(daemon, 'exit');
    daemon.kill(signal);
    await gone;
  }

  async virsh(...args: string[]): Promise<string> {
    const uri = `qemu+unix:///system?socket=${this.socketPath}`;
    return (await run('virsh', ['-q', '-c', uri, ...args])).stdout;
  }

  async define(xml: string): Promise<void> {
    const path = join(this.directory, 'domain.xml');
    writeFileSync(path, xml);
    await this.virsh('define', path);
  }

  /** Of the QEMU that runs a domain. */
  qemuPid(domain: string): number {
    return Number(readFileSync(join(this.directory, 'state', 'qemu', `${domain}.pid`), 'utf8'));
  }

  /** End all domains and the daemon. */
  async end(): Promise<void> {
    if (this.#daemon === undefined) await this.start();
    for (const name of (await this.virsh('list', '--name')).split('\n').filter((line) => line !== '')) {
      const pid = this.qemuPid(name);
      // libvirt would wait for a QEMU to end in good order.
      process.kill(pid, 'SIGKILL');
      while (existsSync(`/proc/${pid}/exe`)) await setTimeout(5);
    }
    await this.stop();
  }

  #log(): string {
    const path = join(this.directory, 'libvirtd.log');
    return existsSync(path) ? readFileSync(path, 'utf8') : 'it logged nothing';
  }
}

/** Started; it ends, with its domains, when the test does. */
export async function privateLibvirt(t: Test): Promise<PrivateLibvirt> {
  const libvirt = new PrivateLibvirt(temporaryDirectory(t));
  t.teardown(() => libvirt.end());
  await libvirt.start();
  return libvirt;
}

export interface TestDomain {
  readonly name: string;
  readonly disks: readonly { readonly target: string; readonly path: string; readonly format: string }[];
  readonly uuid?: string;
  /** More XML inside `devices`. */
  readonly devices?: string;
}

/** A domain without anything to boot from: it sits in the BIOS, and needs no kernel. */
export function domainXml({ name, disks, uuid, devices = '' }: TestDomain): string {
  const diskXml = disks.map(
    ({ target, path, format }) =>
      `<disk type='file' device='disk'><driver name='qemu' type='${format}'/><source file='${path}'/>` +
      `<target dev='${target}' bus='virtio'/></disk>`,
  );
  return `<domain type='qemu'>
  <name>${name}</name>
  ${uuid === undefined ? '' : `<uuid>${uuid}</uuid>`}
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    ${diskXml.join('\n    ')}
    ${devices}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
`;
}

async function answers(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath);
  return await new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
