import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCountingGuest } from '../../../test/kit/guest.js';
import { PrivateLibvirt } from '../../../test/kit/libvirt.js';
import { BLOCK_BYTES } from '../images.js';
import { log } from '../log.js';
import { SeededRandom } from '../random.js';
import { bareLevel } from './bare-level.js';
import { barePause } from './bare-pause.js';
import { changeDisk, drawPieces, PIECE_BYTES, wholePieces } from './change-disk.js';
import { provideDisk } from './content.js';
import { GuestWatch, startDomain, type Domain, type DomainOptions } from './domain.js';
import { Figures } from './figures.js';
import { AgentsLab } from './lab.js';
import type { Suite } from './suite.js';
import { Virtnbdbackup } from './virtnbdbackup.js';

const SIZES = {
  full: { diskGib: 8, dataGib: 2, incrementals: 3 },
  small: { diskGib: 1, dataGib: 0.25, incrementals: 2 },
};
const WATCH_MS = 4000;
const PEER = 'virtnbdbackup';
const BARE = 'LevelDB alone';
const BARE_PAUSE = 'libvirt alone';

/** Full and incremental backups of one running machine, by Umbra and by virtnbdbackup in turn. */
export const vm: Suite = {
  async run({ cache, directory, scale, rounds, seed, signal }) {
    const { incrementals, ...size } = SIZES[scale];
    const { disk, dataOffsets } = await provideDisk(cache, size);
    mkdirSync(path.join(directory, 'libvirt'));
    const libvirt = new PrivateLibvirt(path.join(directory, 'libvirt'));
    const guest = await getCountingGuest();
    const figures = new Figures('a machine');
    try {
      await libvirt.start();
      // virtnbdbackup refuses a machine that has checkpoints of others.
      const ours = await twin('umbra', { libvirt, disk, guest, directory });
      const theirs = await twin(PEER, { libvirt, disk, guest, directory });
      const run = new VmRun(ours, theirs, size.diskGib * 1024 ** 3, directory, figures);
      const pieces = wholePieces(dataOffsets, BLOCK_BYTES);
      const count = Math.round((size.diskGib * 1024 ** 3) / 100 / PIECE_BYTES);
      const random = new SeededRandom(seed);
      const isOn = (): boolean => !signal.aborted;
      for (let round = 0; round < rounds && isOn(); round++) {
        log(`vm: round ${round + 1} of ${rounds}`);
        try {
          await run.begin();
          await run.both('full', round % 2 === 1);
          for (let number = 0; number < incrementals && isOn(); number++) {
            const changed = drawPieces(pieces, count, random);
            for (const domain of [ours, theirs]) await changeDisk(domain, directory, changed);
            await run.both('incremental', (round + number) % 2 === 1);
          }
        } finally {
          await run.end();
        }
      }
      figures.note(
        `${size.diskGib} GiB, ${size.dataGib} GiB of them random; ${count} times 64 KiB changed between two backups.`,
      );
      figures.note('Each has a machine of its own with the same disk; the other one is suspended meanwhile.');
      figures.note(
        `${BARE}: as many bytes as Umbra has sent, put there beside the same guest, with nothing else done to them.`,
      );
      figures.note(`${BARE_PAUSE}: virsh freezes, begins a backup, and thaws, and does nothing else.`);
      figures.note(`${await Virtnbdbackup.version()}; its times are without and with writing to disk what it wrote.`);
      return [figures];
    } finally {
      await libvirt.end();
      rmSync(guest.initrd, { force: true });
    }
  },
};

interface TwinOptions extends Pick<DomainOptions, 'libvirt' | 'disk' | 'guest'> {
  readonly directory: string;
}

/** A machine with a copy of the disk, that stands still as soon as its guest writes. */
async function twin(name: string, { libvirt, disk, guest, directory }: TwinOptions): Promise<Domain> {
  const copy = path.join(directory, `${name}.qcow2`);
  copyFileSync(disk, copy);
  const domain = await startDomain({ name, libvirt, disk: copy, guest });
  await new GuestWatch(domain).untilWriting();
  await libvirt.virsh('suspend', name);
  return domain;
}

type Kind = 'full' | 'incremental';

class VmRun {
  readonly #ours: Domain;
  readonly #theirs: Domain;
  readonly #diskBytes: number;
  readonly #directory: string;
  readonly #figures: Figures;
  readonly #peer: Virtnbdbackup;
  #lab: AgentsLab | undefined;
  /** By the last backup. */
  #sentBytes = 0;

  constructor(ours: Domain, theirs: Domain, diskBytes: number, directory: string, figures: Figures) {
    this.#diskBytes = diskBytes;
    this.#ours = ours;
    this.#theirs = theirs;
    this.#directory = directory;
    this.#figures = figures;
    this.#peer = new Virtnbdbackup(path.join(directory, 'peer'), path.dirname(theirs.libvirt.socketPath));
  }

  /** An empty store, and an agent that protects the machine. */
  async begin(): Promise<void> {
    this.#lab = await AgentsLab.start(path.join(this.#directory, 'umbra'));
    await this.#lab.addAgent('host', [`libvirt: ${this.#ours.libvirt.socketPath}`]);
    await this.#lab.protect('host', this.#ours.name, 'vm');
  }

  async end(): Promise<void> {
    // Also takes away the checkpoints that its tracker keeps.
    await this.#lab?.unprotect('vm').catch(() => undefined);
    await this.#lab?.close();
    this.#lab = undefined;
    rmSync(path.join(this.#directory, 'umbra'), { recursive: true, force: true });
    rmSync(path.join(this.#directory, 'peer'), { recursive: true, force: true });
  }

  async both(kind: Kind, peerFirst: boolean): Promise<void> {
    const turns = [() => this.#umbra(kind), () => this.#virtnbdbackup(kind)];
    for (const turn of peerFirst ? turns.reverse() : turns) await turn();
    await this.#bare(kind);
  }

  async #umbra(kind: Kind): Promise<void> {
    const lab = this.#lab;
    if (lab === undefined) return;
    await this.#watched(kind, 'umbra', this.#ours, async () => {
      const { answer, seconds, processSeconds } = await lab.backup('vm');
      this.#add(kind, 'umbra', seconds, processSeconds);
      this.#sentBytes = answer.sentBytes;
      this.#figures.add(`${kind}: on disk, s`, 'umbra', seconds);
      this.#figures.add(`${kind}: read, MB`, 'umbra', answer.readBytes / 1e6);
      this.#figures.add(`${kind}: sent or written, MB`, 'umbra', answer.sentBytes / 1e6);
      this.#figures.add(`${kind}: pause, ms`, 'umbra', answer.pauseMs);
    });
  }

  async #virtnbdbackup(kind: Kind): Promise<void> {
    await this.#watched(kind, PEER, this.#theirs, async () => {
      const { seconds, processSeconds, bytes, flushSeconds } = await this.#peer.backup(
        this.#theirs.name,
        kind === 'full' ? 'full' : 'inc',
      );
      this.#add(kind, PEER, seconds, processSeconds);
      this.#figures.add(`${kind}: on disk, s`, PEER, seconds + flushSeconds);
      this.#figures.add(`${kind}: sent or written, MB`, PEER, bytes / 1e6);
    });
  }

  /** What a server that keeps its objects in LevelDB can't take less than, and what libvirt's own client pauses for. */
  async #bare(kind: Kind): Promise<void> {
    await this.#ours.libvirt.virsh('resume', this.#ours.name);
    const { seconds, processSeconds } = await bareLevel(path.join(this.#directory, 'bare'), this.#sentBytes);
    await sleep(WATCH_MS);
    const pauseMs = await barePause(this.#ours, this.#directory, this.#diskBytes);
    this.#figures.add(`${kind}: pause, ms`, BARE_PAUSE, pauseMs);
    await this.#ours.libvirt.virsh('suspend', this.#ours.name);
    this.#add(kind, BARE, seconds, processSeconds);
  }

  #add(kind: Kind, who: string, seconds: number, processSeconds: number): void {
    this.#figures.add(`${kind}: s`, who, seconds);
    this.#figures.add(`${kind}: of the processors, s`, who, processSeconds);
  }

  /** What the guest that writes loses meanwhile. Only this one runs. */
  async #watched(kind: Kind, who: string, domain: Domain, work: () => Promise<void>): Promise<void> {
    const watch = new GuestWatch(domain);
    const idle = async (): Promise<void> => {
      await sleep(WATCH_MS);
    };
    await domain.libvirt.virsh('resume', domain.name);
    const before = (await watch.during(idle)).progress;
    const during = (await watch.during(work)).progress;
    const after = (await watch.during(idle)).progress;
    await domain.libvirt.virsh('suspend', domain.name);
    const usual = (before.writesPerSecond + after.writesPerSecond) / 2;
    this.#figures.add(`${kind}: writes of the guest before, 1/s`, who, before.writesPerSecond);
    this.#figures.add(`${kind}: meanwhile`, who, during.writesPerSecond);
    this.#figures.add(`${kind}: after it`, who, after.writesPerSecond);
    this.#figures.add(`${kind}: lost, %`, who, 100 * (1 - during.writesPerSecond / usual));
    this.#figures.add(`${kind}: longest time without a write, ms`, who, during.longestMs);
    this.#figures.add(`${kind}: the same before it`, who, before.longestMs);
  }
}
