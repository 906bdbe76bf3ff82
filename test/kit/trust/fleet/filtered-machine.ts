import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FilterClient } from '../../../../agent/filter/control/filter-client.js';
import { controlSocket } from '../../../../agent/filter/control/socket-path.js';
import { filterState } from '../../../../agent/trackers/filter/filter-state.js';
import { domainXml } from '../../libvirt.js';
import { Random } from '../../random.js';
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
  readonly #seed: number;
  #pid: number | undefined;
  #counter = 0;
  #stop: (() => Promise<void>) | undefined;
  #isOver = false;

  /** @param state - the agent's */
  constructor(t: Teardown, home: string, state: string, random: Random) {
    this.#images = join(home, 'images');
    this.#state = state;
    this.#seed = random.below(2 ** 32);
    const configs = join(home, 'configs');
    for (const directory of [this.#images, configs]) mkdirSync(directory);
    for (const volume of this.volumes) {
      writeFileSync(this.#path(volume), '');
      truncateSync(this.#path(volume), DISK_BYTES);
    }
    const disks = this.volumes.map((target) => ({ target, path: this.#path(target), format: 'raw' }));
    writeFileSync(join(configs, 'filtered.xml'), domainXml({ name: this.name, disks }));
    this.settings = { configFiles: [configs], filters: [this.#images] };
    t.teardown(() => {
      this.#isOver = true;
      return this.kill();
    });
  }

  async start(): Promise<void> {
    const answer = await runProgram(umbra('agent', 'filter', this.#images, '--state', this.#state, '--json'));
    this.#pid = (JSON.parse(answer) as { readonly pid: number }).pid;
    if (this.#isOver) await this.kill();
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
        // What was not written, since the filter was killed, is written again: the counter counts what certainly was.
        const number = this.#counter + 1;
        const { offset, makeBlock } = writeOf(this.#seed, number);
        const block = makeBlock();
        for (const file of files) await file.write(block, 0, block.length, offset);
        for (const file of files) await file.write(counterOf(number), 0, 4, 0);
        this.#counter = number;
        await sleep(2);
      }
    } finally {
      await Promise.allSettled(files.map((file) => file.close()));
    }
  }

  #path(volume: string): string {
    return join(this.#images, `${volume}.raw`);
  }

  /** Whether both volumes are as they were at one instant: what was written is known from the number that the second begins with. */
  isOfOneInstant([first, second]: readonly Buffer[]): boolean {
    if (first === undefined || second === undefined) return false;
    const number = second.readUInt32LE(0);
    const before = contentAt(this.#seed, number);
    const after = contentAt(this.#seed, number + 1);
    const between = Buffer.from(after);
    counterOf(number).copy(between);
    const instants = [
      [before, before],
      [between, before],
      [between, between],
      [after, between],
    ] as const;
    return instants.some(([a, b]) => first.equals(a) && second.equals(b));
  }
}

/** The number that is written to the beginning. */
function counterOf(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

/** The block that is written before it, and where. */
function writeOf(seed: number, number: number): { readonly offset: number; readonly makeBlock: () => Buffer } {
  const random = new Random((seed + number) % 2 ** 32);
  const offset = BLOCK_BYTES * random.between(1, DISK_BYTES / BLOCK_BYTES - 1);
  return { offset, makeBlock: () => random.bytes(BLOCK_BYTES) };
}

/** What a disk is when a number has been written, and nothing behind it. */
function contentAt(seed: number, number: number): Buffer {
  const content = Buffer.alloc(DISK_BYTES);
  counterOf(number).copy(content);
  const written = new Set<number>();
  for (let at = number; at > 0 && written.size < DISK_BYTES / BLOCK_BYTES - 1; at--) {
    const { offset, makeBlock } = writeOf(seed, at);
    if (!written.has(offset)) makeBlock().copy(content, offset);
    written.add(offset);
  }
  return content;
}
