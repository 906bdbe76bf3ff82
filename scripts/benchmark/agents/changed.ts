import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { domainXml, PrivateLibvirt } from '../../../test/kit/libvirt.js';
import { log } from '../log.js';
import { run } from '../process.js';
import { SeededRandom } from '../random.js';
import { changeDisk, changeImage, drawRuns, PIECE_BYTES } from './change-disk.js';
import { Figures } from './figures.js';
import { AgentsLab, type TimedBackup } from './lab.js';
import { leastBackup } from './least.js';
import type { LeastSource } from './least-sender.js';
import type { Suite, SuiteContext } from './suite.js';

const GIB = 1024 ** 3;
const SIZES = {
  full: { diskGib: 20, differentMib: 512 },
  small: { diskGib: 2, differentMib: 64 },
};
const MACHINE = 'changed';
const SCAN = '1 %, scanned';
const NOTHING = 'nothing';
const BARE = 'read from QEMU, sent, named, kept, nothing else';
const LEAST = 'that and a backup of nothing';
/** Pieces in a run of changes. */
const RUN = 64;
/** The snapshot inside the disk that holds what it was made with. */
const AS_MADE = 'as-made';
/** How much changes, and how many pieces side by side. */
const PARTS = [
  [0, 1, NOTHING],
  [0.001, 1, '0.1 %'],
  [0.01, 1, '1 %'],
  [0.01, RUN, '1 % in runs'],
] as const;

interface ChangingMachine {
  readonly lab: AgentsLab;
  readonly libvirt: PrivateLibvirt;
  readonly disk: string;
  /** Of its disk. */
  readonly pieces: number;
}

/** The time of an incremental backup by how much has changed, and that of reading and comparing the whole disk. */
export const changed: Suite = {
  async run(context) {
    const { directory, scale } = context;
    const { diskGib, differentMib } = SIZES[scale];
    const disk = await provideFullDisk(context.cache, diskGib, differentMib);
    mkdirSync(path.join(directory, 'libvirt'));
    const libvirt = new PrivateLibvirt(path.join(directory, 'libvirt'));
    const figures = new Figures('a disk that changes');
    try {
      await libvirt.start();
      await libvirt.define(domainXml({ name: MACHINE, disks: [{ target: 'vda', path: disk, format: 'qcow2' }] }));
      const lab = await AgentsLab.start(path.join(directory, 'umbra'));
      try {
        await lab.addAgent('host', [`libvirt: ${libvirt.socketPath}`]);
        await measure(context, { lab, libvirt, disk, pieces: (diskGib * GIB) / PIECE_BYTES }, figures);
        await lab.unprotect(MACHINE);
      } finally {
        await lab.close();
      }
      figures.note(
        `${diskGib} GiB of data, all of it allocated, that repeats after ${differentMib} MiB; QEMU's bitmaps have 64 KiB.`,
      );
      figures.note('What changes is new to the store, in pieces of 64 KiB all over the disk, or in runs of 4 MiB.');
      figures.note(
        'It is on the disk, and the store at rest, before the backup begins: as hours after the one before.',
      );
      return [figures];
    } finally {
      await libvirt.end();
    }
  },
};

async function measure(context: SuiteContext, machine: ChangingMachine, figures: Figures): Promise<void> {
  const { rounds, seed, signal } = context;
  const { lab, libvirt, disk, pieces } = machine;
  const random = new SeededRandom(seed);
  const draw = (part: number, run: number): number[] =>
    part === 0 ? [] : drawRuns(pieces, Math.round(pieces * part), run, random);
  const add = (what: string, { seconds, processSeconds, answer }: TimedBackup): void => {
    figures.add('s', what, seconds);
    figures.add('of the processors, s', what, processSeconds);
    figures.add('read, MB', what, answer.readBytes / 1e6);
    figures.add('sent, MB', what, answer.sentBytes / 1e6);
  };
  await lab.protect('host', MACHINE, MACHINE, 'scan');
  log('changed: the first backup');
  await lab.backup(MACHINE);
  // Nobody knows what has changed: all is read, and compared with what the agent has noted of the first.
  await changeImage(disk, context.directory, draw(0.01, 1));
  log('changed: 1 %, all of it read');
  await lab.rest();
  add(SCAN, await lab.backup(MACHINE));
  await libvirt.virsh('start', MACHINE, '--paused');
  await lab.protect('host', MACHINE, MACHINE);
  log('changed: the first backup by the tracker');
  await lab.backup(MACHINE);
  for (let round = 0; round < rounds && !signal.aborted; round++) {
    for (const [part, run, what] of PARTS) {
      await changeDisk({ name: MACHINE, libvirt, serial: '' }, context.directory, draw(part, run));
      log(`changed: ${what}`);
      await lab.rest();
      add(what, await lab.backup(MACHINE));
    }
  }
  await measureBare(machine, draw(0.01, RUN), rounds, figures);
  compareWithScan(figures);
}

/** Nothing of it can begin before, or end after, what a backup of nothing does: both together are about the least that a backup of 1 % in runs takes. */
function compareWithScan(figures: Figures): void {
  const [bare, nothing] = [figures.median('s', BARE), figures.median('s', NOTHING)];
  if (bare !== undefined && nothing !== undefined) figures.add('s', LEAST, bare + nothing);
  const scanned = figures.median('s', SCAN);
  for (const what of [...PARTS.map(([, , part]) => part), LEAST]) {
    const tracked = figures.median('s', what);
    if (scanned !== undefined && tracked !== undefined)
      figures.add('times as fast as the scan', what, scanned / tracked);
  }
}

/** What every backup of as much as 1 % in runs has to do, and nothing else. @param offsets of its pieces */
async function measureBare(
  { lab, libvirt }: ChangingMachine,
  offsets: readonly number[],
  rounds: number,
  figures: Figures,
): Promise<void> {
  await lab.rest();
  log('changed: the least');
  const source = {
    ...(await exportDisk(libvirt, path.join(lab.directory, 'least.sock'))),
    offsets: offsets.filter((_, index) => index % RUN === 0),
  };
  const [pem, directory] = [path.join(lab.store, 'tls', 'ca.pem'), path.join(lab.directory, 'least')];
  const bytes = offsets.length * PIECE_BYTES;
  for (const { seconds, processSeconds } of await leastBackup({ pem, directory, source, bytes, rounds })) {
    figures.add('s', BARE, seconds);
    figures.add('of the processors, s', BARE, processSeconds);
  }
}

/** Have the QEMU of the machine show its disk by NBD. */
async function exportDisk(
  libvirt: PrivateLibvirt,
  socketPath: string,
): Promise<Pick<LeastSource, 'socketPath' | 'exportName'>> {
  const ask = async (execute: string, args: object = {}): Promise<string> =>
    await libvirt.virsh('qemu-monitor-command', MACHINE, JSON.stringify({ execute, arguments: args }));
  const blocks = JSON.parse(await ask('query-block')) as { return: { inserted?: { 'node-name': string } }[] };
  const node = blocks.return.find(({ inserted }) => inserted !== undefined)?.inserted?.['node-name'];
  const exportName = 'least';
  await ask('nbd-server-start', { addr: { type: 'unix', data: { path: socketPath } } });
  await ask('block-export-add', { type: 'nbd', id: exportName, 'node-name': node, name: exportName });
  return { socketPath, exportName };
}

/** A qcow2 without a hole, made once: each run begins with the same content, since what one has changed is new to the store of the next. */
async function provideFullDisk(cache: string, diskGib: number, differentMib: number): Promise<string> {
  const disk = path.join(cache, `agents-full-${diskGib}.qcow2`);
  if (existsSync(disk) && (await tryReset(disk))) return disk;
  mkdirSync(cache, { recursive: true });
  const pattern = `${disk}.building-${process.pid}`;
  try {
    log(`changed: making ${disk}`);
    writeFileSync(pattern, randomBytes(differentMib * 1024 * 1024));
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', `${disk}.new`, `${diskGib}G`]);
    const writes = Array.from({ length: (diskGib * 1024) / differentMib }, (_, index) => {
      return ['-c', `write -q -s ${pattern} ${index * differentMib}M ${differentMib}M`];
    });
    await run('qemu-io', ['-f', 'qcow2', ...writes.flat(), `${disk}.new`]);
    await run('qemu-img', ['snapshot', '-c', AS_MADE, `${disk}.new`]);
    renameSync(`${disk}.new`, disk);
  } finally {
    rmSync(pattern, { force: true });
  }
  return disk;
}

/** Make a disk what it was when it was made. @returns false for one of an older benchmark, which can't be */
async function tryReset(disk: string): Promise<boolean> {
  const info = await describe(disk);
  if (info.snapshots?.some(({ name }) => name === AS_MADE) !== true) return false;
  // What a run that was killed has left in it.
  for (const { name } of info['format-specific']?.data?.bitmaps ?? []) {
    await run('qemu-img', ['bitmap', '--remove', disk, name]);
  }
  await run('qemu-img', ['snapshot', '-a', AS_MADE, disk]);
  return true;
}

interface ImageInfo {
  readonly snapshots?: readonly { readonly name: string }[];
  readonly 'format-specific'?: { readonly data?: { readonly bitmaps?: readonly { readonly name: string }[] } };
}

async function describe(disk: string): Promise<ImageInfo> {
  const { stdout } = await run('qemu-img', ['info', '--output=json', disk]);
  return JSON.parse(stdout) as ImageInfo;
}
