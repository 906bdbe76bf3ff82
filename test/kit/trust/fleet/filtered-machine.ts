import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FilterClient } from '../../../../agent/filter/control/filter-client.js';
import { controlSocket } from '../../../../agent/filter/control/socket-path.js';
import { filterState } from '../../../../agent/trackers/filter/filter-state.js';
import { domainXml } from '../../libvirt.js';
import type { Random } from '../../random.js';
import type { Teardown } from '../../umbra-program.js';
import { compareRaw, type FleetMachine } from './machine.js';
import { runProgram, umbra } from './program.js';

const DISK_BYTES = 8 * 1024 * 1024;
const BLOCK_BYTES = 4096;

/** Images below a filter, written by this process as a guest would. */
export class FilteredFleetMachine implements FleetMachine {
  readonly name = 'filtered';
  readonly settings: FleetMachine['settings'];
  readonly volumes = ['sda', 'sdb'] as const;
  readonly #images: string;
  readonly #state: string;
  readonly #random: Random;
  #pid: number | undefined;
  #counter = 0;
  #stop: (() => Promise<void>) | undefined;

  /** @param state - the agent's */
  constructor(t: Teardown, home: string, state: string, random: Random) {
    this.#images = join(home, 'images');
    this.#state = state;
    this.#random = random;
    const configs = join(home, 'configs');
    for (const directory of [this.#images, configs]) mkdirSync(directory);
    for (const volume of this.volumes) {
      writeFileSync(this.#path(volume), '');
      truncateSync(this.#path(volume), DISK_BYTES);
    }
    const disks = this.volumes.map((target) => ({ target, path: this.#path(target), format: 'raw' }));
    writeFileSync(join(configs, 'filtered.xml'), domainXml({ name: this.name, disks }));
    this.settings = { configFiles: [configs], filters: [this.#images] };
    t.teardown(() => this.kill());
  }

  async start(): Promise<void> {
    const answer = await runProgram(umbra('agent', 'filter', this.#images, '--state', this.#state, '--json'));
    this.#pid = (JSON.parse(answer) as { readonly pid: number }).pid;
    await this.resume();
  }

  async kill(): Promise<void> {
    if (this.#pid === undefined) return;
    process.kill(this.#pid, 'SIGKILL');
    this.#pid = undefined;
    await this.#stop?.().catch(() => undefined);
    this.#stop = undefined;
    execFileSync('fusermount', ['-uz', '--', this.#images]);
  }

  async writes(): Promise<void> {
    const before = this.#counter;
    while (this.#counter < before + 5) {
      if (this.#stop === undefined) throw new Error('nobody writes');
      await sleep(2);
    }
  }

  async pause(): Promise<void> {
    await this.#stop?.();
    this.#stop = undefined;
  }

  async resume(): Promise<void> {
    const files = await Promise.all(this.volumes.map((volume) => open(this.#path(volume), 'r+')));
    let isOver = false;
    const writing = this.#writeOn(files, () => isOver);
    // Whoever stops it hears of it.
    writing.catch(() => undefined);
    this.#stop = async () => {
      isOver = true;
      await writing;
    };
  }

  state(): Promise<string> {
    return Promise.resolve(this.#stop === undefined ? 'paused' : 'running');
  }

  async left(): Promise<string[]> {
    const client = await FilterClient.connect(controlSocket(filterState(this.#state, this.#images)));
    const { views } = await client.status();
    client.close();
    return views.map(({ id }) => `view ${id}`);
  }

  async differences(raw: (volume: string) => string): Promise<string[]> {
    return (await Promise.all(this.volumes.map((volume) => compareRaw(raw(volume), this.#path(volume))))).flat();
  }

  async #writeOn(files: readonly FileHandle[], isOver: () => boolean): Promise<void> {
    try {
      while (!isOver()) {
        const block = this.#random.bytes(BLOCK_BYTES);
        const offset = BLOCK_BYTES * this.#random.between(1, DISK_BYTES / BLOCK_BYTES - 1);
        for (const file of files) await file.write(block, 0, block.length, offset);
        const number = Buffer.alloc(4);
        number.writeUInt32LE(++this.#counter);
        for (const file of files) await file.write(number, 0, number.length, 0);
        await sleep(2);
      }
    } finally {
      await Promise.allSettled(files.map((file) => file.close()));
    }
  }

  #path(volume: string): string {
    return join(this.#images, `${volume}.raw`);
  }
}
