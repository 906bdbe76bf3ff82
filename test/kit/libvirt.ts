import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { LibvirtAddress } from '../../agent/libvirt/address.js';
import { KERNEL_ARGUMENTS, type Guest } from './guest.js';
import { socketAnswers } from './socket-answers.js';
import { temporaryDirectory } from './temporary.js';
import type { Teardown } from './umbra-program.js';

const run = promisify(execFile);
const START_MS = 60_000;

/** Where libvirtd keeps what it knows; all of it is hidden behind directories of the test's own. */
const DIRECTORIES = {
  config: '/etc/libvirt',
  data: '/var/lib/libvirt',
  cache: '/var/cache/libvirt',
  log: '/var/log/libvirt',
} as const;
const STATE = '/run/libvirt';

const USER_CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'umbra-test');
/** What libvirt found out about the QEMU that is installed takes it some seconds; it looks itself whether that still holds. */
const KNOWN_QEMU = join(USER_CACHE, 'libvirt');

/** The user and group that libvirt asks for before it reads that it is to use others; Debian makes them with a package that nobody needs here. */
const ACCOUNTS = {
  passwd: 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin',
  group: 'libvirt-qemu:x:64055:',
} as const;

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

/**
 * A libvirtd that knows nothing but what the test tells it, and that nobody else can reach. Needs root. It and its QEMUs live
 * in a process namespace, whose first process starts a daemon for every line that it gets, and takes everything with it when it
 * ends, or the test does. It also buries QEMUs at once, which libvirt waits for; the machine's own first process may be slow.
 */
export class PrivateLibvirt {
  readonly directory: string;
  readonly socketPath: string;
  readonly address: LibvirtAddress;
  readonly #namespace: ChildProcessByStdio<Writable, null, null>;

  constructor(directory: string) {
    this.directory = directory;
    this.socketPath = join(directory, 'run', 'libvirt-sock');
    this.address = { sockets: [this.socketPath], name: 'qemu:///system' };
    for (const name of ['run', ...Object.keys(DIRECTORIES)]) mkdirSync(join(directory, name));
    if (knowsQemu(KNOWN_QEMU)) cpSync(KNOWN_QEMU, join(directory, 'cache'), { recursive: true });
    writeFileSync(join(directory, 'config', 'qemu.conf'), QEMU_CONF);
    const settings = [`unix_sock_dir = "${directory}/run"`, 'auth_unix_ro = "none"', 'auth_unix_rw = "none"'];
    const log = `log_outputs = "2:file:${directory}/libvirtd.log"`;
    writeFileSync(join(directory, 'libvirtd.conf'), [...settings, log, ''].join('\n'));
    const mounts = Object.entries(DIRECTORIES).map(
      ([name, path]) => `mkdir -p ${path} && mount --bind ${join(directory, name)} ${path}`,
    );
    // It writes there, synced, while a guest is frozen; on a real host that is memory, too.
    mounts.push(`mkdir -p ${STATE} && mount -t tmpfs tmpfs ${STATE}`);
    for (const [name, account] of Object.entries(ACCOUNTS)) {
      const known = readFileSync(join('/etc', name), 'utf8');
      if (/^libvirt-qemu:/m.test(known)) continue;
      writeFileSync(join(directory, name), `${known.trimEnd()}\n${account}\n`);
      mounts.push(`mount --bind ${join(directory, name)} /etc/${name}`);
    }
    const daemon = `libvirtd -f ${join(directory, 'libvirtd.conf')} -p ${join(directory, 'pid')}`;
    const script = `${mounts.join(' && ')} && while read -r line; do ${daemon} & done`;
    const options = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];
    this.#namespace = spawn('unshare', [...options, 'bash', '-c', script], { stdio: ['pipe', 'ignore', 'ignore'] });
  }

  /** What it notes of the domains that run. */
  get stateDirectory(): string {
    return `/proc/${this.#namespace.pid}/root${STATE}/qemu`;
  }

  /** Start the daemon, again after {@link stop}; domains live on in between. */
  async start(): Promise<void> {
    this.#namespace.stdin.write('start\n');
    for (let waitedMs = 0; !(await socketAnswers(this.socketPath)); waitedMs += 10) {
      if (waitedMs > START_MS || this.#namespace.exitCode !== null) {
        throw new Error(`libvirtd did not start: ${this.#log()}`);
      }
      await setTimeout(10);
    }
  }

  /** Kill the daemon alone. */
  async kill(): Promise<void> {
    await this.#killProcess('libvirtd', `${this.directory}/libvirtd.conf`);
  }

  /** Kill the QEMU that runs a domain. */
  async killQemu(domain: string): Promise<void> {
    await this.#killProcess(`guest=${domain},`);
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

  /** What the QEMUs of a domain have printed, all of them. */
  qemuLog(domain: string): string {
    return readFileSync(join(this.directory, 'log', 'qemu', `${domain}.log`), 'utf8');
  }

  /** End all domains and the daemon. */
  async end(): Promise<void> {
    const { exitCode, signalCode, stdin } = this.#namespace;
    // Whoever interrupts a program in a terminal has ended it already.
    if (exitCode === null && signalCode === null) {
      const gone = once(this.#namespace, 'exit');
      stdin.end();
      await gone;
    }
    this.#keepCache();
  }

  /** Complete or not at all, as several tests may do it at once; and only if it found anything out, as who ended early did not. */
  #keepCache(): void {
    const cache = join(this.directory, 'cache');
    if (knowsQemu(KNOWN_QEMU) || !knowsQemu(cache)) return;
    mkdirSync(USER_CACHE, { recursive: true });
    const copy = mkdtempSync(join(USER_CACHE, 'making-'));
    cpSync(cache, copy, { recursive: true });
    if (knowsQemu(KNOWN_QEMU)) {
      rmSync(copy, { recursive: true });
      return;
    }
    rmSync(KNOWN_QEMU, { recursive: true, force: true });
    renameSync(copy, KNOWN_QEMU);
  }

  /** Those of the namespace that have all of that in their command lines; of others it is nobody's business. */
  async #killProcess(...parts: readonly string[]): Promise<void> {
    const ours = readlinkSync(`/proc/${this.#namespace.pid}/ns/pid_for_children`);
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && namespaceOf(name) === ours)) {
      const line = argumentsOf(pid);
      if (line[0] === 'bash' || !parts.every((part) => line.some((text) => text.includes(part)))) continue;
      process.kill(Number(pid), 'SIGKILL');
      // Buried: before that its socket may still answer.
      while (namespaceOf(pid) === ours) await setTimeout(2);
    }
  }

  #log(): string {
    const path = join(this.directory, 'libvirtd.log');
    return existsSync(path) ? readFileSync(path, 'utf8') : 'it logged nothing';
  }
}

/** Whether a cache of libvirt's holds what it found out about a QEMU. */
function knowsQemu(cache: string): boolean {
  const capabilities = join(cache, 'qemu', 'capabilities');
  return existsSync(capabilities) && readdirSync(capabilities).some((name) => name.endsWith('.xml'));
}

/** Started; it ends, with its domains, when the test does. */
export async function privateLibvirt(t: Teardown): Promise<PrivateLibvirt> {
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
  /** What it boots; when absent it sits in the BIOS, and needs no kernel. */
  readonly guest?: Guest;
}

/** The XML of a domain. */
export function domainXml({ name, disks, uuid, devices = '', guest }: TestDomain): string {
  const boot =
    guest === undefined
      ? ''
      : `<kernel>${guest.kernel}</kernel><initrd>${guest.initrd}</initrd><cmdline>${KERNEL_ARGUMENTS}</cmdline>`;
  const diskXml = disks.map(
    ({ target, path, format }) =>
      `<disk type='file' device='disk'><driver name='qemu' type='${format}'/><source file='${path}'/>` +
      `<target dev='${target}' bus='virtio'/></disk>`,
  );
  return `<domain type='qemu'>
  <name>${name}</name>
  ${uuid === undefined ? '' : `<uuid>${uuid}</uuid>`}
  <memory unit='MiB'>${guest === undefined ? 64 : 256}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>${boot}</os>
  ${guest === undefined ? '' : `<cpu mode='custom'><model>qemu64</model></cpu>`}
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

/** Nothing of a process that is gone. */
function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

/** None of a process that is gone. */
function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .split('\0')
      .filter((text) => text !== '');
  } catch {
    return [];
  }
}
