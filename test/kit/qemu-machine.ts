import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { list, record, text } from '../../agent/json-values.js';
import { QmpClient } from '../../agent/qemu/qmp.js';
import { isUmbraError } from '../../src/common/errors.js';
import type { Teardown } from './umbra-program.js';

/** A disk of a machine: an image file, and the node and device that it gets. */
export interface MachineDisk {
  readonly file: string;
  readonly format: 'raw' | 'qcow2';
  /** Id of its device. The first two are disks of the IDE bus, which the guest writes to. */
  readonly id: string;
}

export interface MachineOptions {
  readonly disks: readonly MachineDisk[];
  /** True: the guest writes all the time; else it does nothing. */
  readonly writes?: boolean;
  readonly args?: readonly string[];
  /** The number of the user that QEMU runs as; `directory` must be that user's. */
  readonly user?: number;
}

/** A running QEMU with a guest of 233 bytes. */
export interface Machine {
  /** For the agent. */
  readonly qmpSocket: string;
  /** For the test, a monitor of its own. */
  readonly monitor: QmpClient;
  /** End QEMU in good order: it keeps its bitmaps. */
  stop(): Promise<void>;
  /** Nothing is kept. */
  kill(): Promise<void>;
}

/**
 * The firmware of a PC that runs in real mode, without a BIOS: it writes its counter, repeated, into a random sector of the first
 * 4 MiB of both disks of the first IDE bus, then into the first sector of the one and of the other, by programmed
 * input and output, waits until ten milliseconds are over, counts on, and does it again. So the counters of the disks are never apart by more than one.
 * While a disk writes it halts until the disk's interrupt: asking it again and again took most of a processor.
 *
 *     cli; cld; ax=ds=es=ss=0; sp=0x7000; interrupt 8 leads to tick, 0x76 to disk
 *       8259: out 0x20 and 0xa0, 0x11; 0x21: 8, 4, 1, 0xfa; 0xa1: 0x70, 2, 1, 0xbf; 8254: out 0x43, 0x34; 0x40: 0x9a, 0x2e; ebx=0; ebp=12345
 *     again: ebx++; ebp = ebp * 1103515245 + 12345; fill 512 bytes at 0x8000 with ebx
 *       esi = (ebp >> 8) & 0x1fff; write(0xe0); write(0xf0)     0xe0, 0xf0: the first and second disk; esi: the sector
 *       esi = 0; write(0xe0); write(0xf0); byte 0x7e00 = 0; do { sti; hlt; cli } until byte 0x7e00 != 0; jmp again
 *     disk: out 0xa0, 0x20; out 0x20, 0x20; iret
 *     tick: byte 0x7e00 = 1; out 0x20, 0x20; iret
 *     write: out 0x1f6, disk; return if 0x1f7 is 0 (no disk)
 *       out 0x1f2, 1; out 0x1f3..0x1f5, sector; out 0x1f7, 0x30; wait for 0x1f7 & 8, return on error
 *       rep outsd 128 words of 0x8000 to 0x1f0; while (0x1f7 & 0x80) { sti; hlt; cli }; ret
 */
const WRITER = Buffer.from(
  'fafc31c08ed88ec08ed0bc0070c7062000b700c706220000f0c706d801b000c706da0100f0b011e620e6a0b008e621b070e6a1b004e621b0' +
    '02e6a1b001e621e6a1b0fae621b0bfe6a1b034e643b09ae640b02ee6406631db66bd3930000066436669ed6d4ec6416681c5393000006689' +
    'd8bf0080b9800066f3ab6689ee66c1ee086681e6ff1f0000b0e0e83700b0f0e832006631f6b0e0e82a00b0f0e82500c606007e00fbf4fa80' +
    '3e007e0074f6ebae50b020e6a0eb0936c606007e0150b020e62058cf88c4baf601ee42ec84c07447baf201b001ee6689f042ee66c1e80842' +
    'ee66c1e80842eebaf701b030eeeca88075fba8017521a80874f3b98000baf0016656be008066f36f665ebaf701eca8807405fbf4faebf6c3',
  'hex',
);
const HALT = 0xf4;
const JUMP_TO_F000_0000 = Buffer.of(0xea, 0x00, 0x00, 0x00, 0xf0);

export function firmware(writes: boolean): Buffer {
  const rom = Buffer.alloc(65_536, HALT);
  if (writes) WRITER.copy(rom);
  JUMP_TO_F000_0000.copy(rom, 0xfff0);
  return rom;
}

/** Start a machine whose sockets are in `directory`; it is killed when the test ends. */
export async function startMachine(t: Teardown, directory: string, options: MachineOptions): Promise<Machine> {
  const { disks, writes = false, args = [], user } = options;
  const bios = join(directory, 'firmware');
  writeFileSync(bios, firmware(writes));
  // With an APIC, which nobody sets up, the timer's interrupt would not arrive.
  const machine = ['-nodefaults', '-no-user-config', '-M', 'pc', '-accel', 'tcg', '-cpu', 'qemu64,-apic', '-m', '16'];
  return await startQemu(
    t,
    directory,
    [...[...machine, '-display', 'none', '-bios', bios], ...disks.flatMap(diskArgs), ...args],
    user,
  );
}

/** Start a QEMU with two monitors. */
export async function startQemu(
  t: Teardown,
  directory: string,
  args: readonly string[],
  user?: number,
): Promise<Machine> {
  const [qmpSocket, monitorSocket] = [join(directory, 'qmp'), join(directory, 'monitor')];
  for (const socket of [qmpSocket, monitorSocket]) rmSync(socket, { force: true });
  const monitors = [qmpSocket, monitorSocket].flatMap((path) => ['-qmp', `unix:${path},server=on,wait=off`]);
  const qemu = ['qemu-system-x86_64', ...args, ...monitors];
  const asUser = ['--reuid', String(user), '--clear-groups', ...qemu];
  const child = spawn(
    user === undefined ? 'qemu-system-x86_64' : 'setpriv',
    user === undefined ? qemu.slice(1) : asUser,
    {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const gone = once(child, 'exit');
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await gone;
  };
  t.teardown(() => end('SIGKILL'));
  const monitor = await openMonitor(child, monitorSocket);
  return { qmpSocket, monitor, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

function diskArgs({ file, format, id }: MachineDisk, index: number): string[] {
  const node = { driver: format, 'node-name': `disk-${id}`, file: { driver: 'file', filename: file } };
  const place = index < 2 ? `ide-hd,bus=ide.0,unit=${index}` : 'virtio-blk-pci';
  return ['-blockdev', JSON.stringify(node), '-device', `${place},drive=disk-${id},id=${id}`];
}

/** Its socket is there before it listens on it. */
async function openMonitor(child: ChildProcess, socketPath: string): Promise<QmpClient> {
  for (let waitedMs = 0; waitedMs < 30_000 && child.exitCode === null; waitedMs += 5) {
    try {
      return await QmpClient.open({ socketPath, greetingMs: 30_000 });
    } catch (error) {
      if (!isUmbraError(error, 'TRACKER_UNAVAILABLE')) throw error;
    }
    await setTimeout(5);
  }
  throw new Error('QEMU did not start');
}

/** How many writes the disks of a machine have had. */
export async function writesOf(monitor: Pick<QmpClient, 'execute'>): Promise<number> {
  const stats = list(await monitor.execute('query-blockstats')).map((disk) => record(record(disk)['stats']));
  return stats.reduce((sum, { wr_operations: writes }) => sum + Number(writes), 0);
}

/** Wait until the guest has written some more. */
export async function waitForWrites(monitor: Pick<QmpClient, 'execute'>, more = 40): Promise<void> {
  const before = await writesOf(monitor);
  while ((await writesOf(monitor)) < before + more) await setTimeout(5);
}

/** Write to a disk past the guest: `write -P 7 1M 64k`. QEMU does it between two of the agent's commands. */
export async function writeDisk(monitor: QmpClient, id: string, command: string): Promise<void> {
  await monitor.execute('human-monitor-command', { 'command-line': `qemu-io -d ${id} "${command}"` });
}

/** What is in a QEMU: nodes, exports and bitmaps by name, each with a word for its kind; what QEMU named itself is left out. */
export async function namesIn(monitor: QmpClient): Promise<string[]> {
  const names: string[] = [];
  for (const node of list(await monitor.execute('query-named-block-nodes', { flat: true })).map(record)) {
    const name = text(node['node-name']) ?? '';
    if (!name.startsWith('#')) names.push(`node ${name}`);
    for (const bitmap of list(node['dirty-bitmaps']).map(record)) names.push(`bitmap ${text(bitmap['name']) ?? ''}`);
  }
  for (const one of list(await monitor.execute('query-block-exports')).map(record)) {
    names.push(`export ${text(one['id']) ?? ''}`);
  }
  for (const job of list(await monitor.execute('query-jobs')).map(record)) names.push(`job ${text(job['id']) ?? ''}`);
  return names.sort();
}
