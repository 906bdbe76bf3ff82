import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import type { PrivateLibvirt } from '../../../test/kit/libvirt.js';
import type { Guest } from '../../../test/kit/guest.js';
import { BenchError } from '../bench-error.js';
import { waitFor } from '../system.js';

/** A running domain of a libvirt of its own, without anything else in it. */
export interface Domain {
  readonly name: string;
  readonly libvirt: PrivateLibvirt;
  /** What its guest says. */
  readonly serial: string;
}

export interface DomainOptions {
  readonly name: string;
  readonly libvirt: PrivateLibvirt;
  /** A qcow2. */
  readonly disk: string;
  readonly guest: Guest;
}

const KERNEL_ARGUMENTS = 'console=ttyS0 quiet panic=-1 mitigations=off no_timer_check tsc=reliable cryptomgr.notests';

/** Define a domain of one disk with QEMU's guest agent, and boot it; emulated, as hosts in containers have to. */
export async function startDomain({ name, libvirt, disk, guest }: DomainOptions): Promise<Domain> {
  const serial = path.join(libvirt.directory, `${name}.serial`);
  await libvirt.define(`<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${guest.kernel}</kernel>
    <initrd>${guest.initrd}</initrd>
    <cmdline>${KERNEL_ARGUMENTS}</cmdline>
  </os>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='file'><source path='${serial}'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
`);
  await libvirt.virsh('start', name);
  return { name, libvirt, serial };
}

/** Do many commands of virsh, which have nothing to say, in one process. @throws {BenchError} when one of them says something */
export async function virshAll(libvirt: PrivateLibvirt, commands: readonly string[]): Promise<void> {
  const uri = `qemu+unix:///system?socket=${libvirt.socketPath}`;
  // A terminal that is wide enough repeats what it reads as it is.
  const env = { ...process.env, TERM: 'dumb', COLUMNS: '4096' };
  const child = spawn('virsh', ['-q', '-c', uri], { stdio: ['pipe', 'pipe', 'pipe'], env });
  let said = '';
  // QEMU's errors are the command's answer.
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'close');
  child.stdin.end(`${commands.join('\n')}\n`);
  await ended;
  // It repeats what it reads.
  const lines = said.split('\n').map((line) => line.replaceAll('virsh # ', '').trim());
  const answer = lines.find((line) => line !== '' && !commands.includes(line));
  if (answer !== undefined) throw new BenchError(`virsh: ${answer}`);
}

/** How a guest got on that writes all the time: one synced write after the other. */
export interface Progress {
  readonly writesPerSecond: number;
  /** The longest time without a write. */
  readonly longestMs: number;
}

const LOOK_MS = 2;
const TAIL_BYTES = 4096;

/** Follows a counting guest by what it says. */
export class GuestWatch {
  readonly #serial: string;

  constructor({ serial }: Domain) {
    this.#serial = serial;
  }

  /** The last number that the guest said. */
  count(): number {
    if (!existsSync(this.#serial)) return 0;
    const fd = openSync(this.#serial, 'r');
    try {
      const { size } = fstatSync(fd);
      const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
      readSync(fd, tail, 0, tail.length, size - tail.length);
      return Number(/.*guest: count (\d+)\r?\n/s.exec(tail.toString('latin1'))?.[1] ?? 0);
    } finally {
      closeSync(fd);
    }
  }

  async untilWriting(): Promise<void> {
    await waitFor('the guest', () => this.count() > 20, 180);
  }

  /** How it gets on while `work` is done. */
  async during<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly progress: Progress }> {
    const first = this.count();
    const start = performance.now();
    let last = first;
    let lastMs = start;
    let longestMs = 0;
    const look = (): void => {
      const now = performance.now();
      const count = this.count();
      if (count === last) return;
      longestMs = Math.max(longestMs, now - lastMs);
      last = count;
      lastMs = now;
    };
    const looking = setInterval(look, LOOK_MS);
    try {
      const result = await work();
      look();
      const now = performance.now();
      longestMs = Math.max(longestMs, now - lastMs);
      return { result, progress: { writesPerSecond: ((last - first) * 1000) / (now - start), longestMs } };
    } finally {
      clearInterval(looking);
    }
  }
}
