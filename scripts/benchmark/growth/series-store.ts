import { mkdirSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../../src/client/requests.js';
import type { ShadowCopyInfo } from '../../../src/protocol/api.js';
import { BenchError } from '../bench-error.js';
import { log } from '../log.js';
import { run } from '../process.js';
import { UMBRA } from '../running.js';
import type { GrowthContext } from './growth-context.js';
import { GrowthServer } from './growth-server.js';
import type { OperationName } from './operations.js';
import type { Cost, GrowthPoint } from './samples.js';
import { SparseVolume } from './volume.js';

const MACHINE = 'grown';
const VOLUME = 'vda';
/** Short requests are made so often, after some that are not counted: V8 compiles what is run often. */
const REPEATS = 20;
const WARM_UP = 5;
/** Backups, and deletions, at each point. */
const CHANGES = 3;
/** For what a server does by itself when it begins, or when something is mounted first. */
const SETTLE_MS = 1500;

export interface SeriesOptions extends GrowthContext {
  readonly gib: number;
  readonly starts: number;
}

/** Measure everything of one machine with ever more shadow copies. @throws {BenchError} */
export async function measureStore(options: SeriesOptions, copies: readonly number[]): Promise<void> {
  const store = await SeriesStore.make(options);
  try {
    for (const count of copies) await store.measureAt(count);
  } finally {
    await store.close();
  }
}

/** A store with one machine, which gets ever more shadow copies. */
class SeriesStore {
  readonly #options: SeriesOptions;
  readonly #store: string;
  readonly #log: string;
  readonly #volume: SparseVolume;
  #server: GrowthServer;
  #copies = 0;

  private constructor(options: SeriesOptions, server: GrowthServer) {
    this.#options = options;
    const { directory, gib, dataMib, seed } = options;
    this.#store = storeIn(directory);
    this.#log = logIn(directory);
    this.#volume = new SparseVolume(path.join(directory, 'image.raw'), gib, dataMib, seed);
    this.#server = server;
  }

  /** @throws {BenchError} */
  static async make(options: SeriesOptions): Promise<SeriesStore> {
    const { directory } = options;
    mkdirSync(directory, { recursive: true });
    for (const command of ['init', 'stop'])
      await run(process.execPath, [UMBRA, command, '--store', storeIn(directory)]);
    return new SeriesStore(options, await GrowthServer.start(storeIn(directory), logIn(directory)));
  }

  async close(): Promise<void> {
    await this.#server.stop();
  }

  /** Make shadow copies until there are so many, and measure everything. */
  async measureAt(copies: number): Promise<void> {
    log(`growth: ${copies} shadow copies of ${this.#options.gib} GiB`);
    while (this.#copies < copies) {
      this.#options.signal.throwIfAborted();
      await this.#backUp();
      this.#copies++;
    }
    const point = { copies, gib: this.#options.gib, machines: 1 };
    await this.#restart();
    await this.#measureRequests(point);
    if (this.#isWanted('verifyOne', 'verifyAll')) await this.#measureVerification(point);
    const ofStarts = ['start', 'idle', 'openNewest', 'openOldest', 'listDirectory'] as const;
    for (let start = 0; start < this.#options.starts && this.#isWanted(...ofStarts); start++) {
      await this.#measureStart(point, 'openNewest');
      await this.#measureStart(point, 'openOldest');
    }
    if (this.#isWanted('backup', 'forget', 'collect', 'prune')) await this.#measureChanges(point);
  }

  #isWanted(...names: readonly OperationName[]): boolean {
    return names.some((name) => this.#options.only.includes(name));
  }

  #add(operation: OperationName, point: GrowthPoint, cost: Cost): void {
    this.#options.signal.throwIfAborted();
    if (this.#isWanted(operation)) this.#options.add(operation, point, cost);
  }

  async #measureRequests(point: GrowthPoint): Promise<void> {
    const { client } = this.#server;
    await this.#measureOften('status', point, () => client.call(requests.status()));
    await this.#measureOften('listMachine', point, () => client.call(requests.list(MACHINE)));
    await this.#measureOften('listAll', point, () => client.call(requests.list(undefined)));
    await this.#measureOften('pruneDry', point, () => this.#prune(true));
  }

  async #measureOften(operation: OperationName, point: GrowthPoint, ask: () => Promise<unknown>): Promise<void> {
    for (let time = 0; time < WARM_UP; time++) await ask();
    this.#add(operation, point, await this.#server.measure(ask, REPEATS));
  }

  async #measureVerification(point: GrowthPoint): Promise<void> {
    const { client } = this.#server;
    const one = (await this.#list()).at(-1)?.shadowCopy ?? '';
    const verify = async (version?: string): Promise<void> => {
      const request = version === undefined ? {} : { machine: MACHINE, version };
      const { damagedObjects } = await client.run(requests.verify(request));
      if (damagedObjects.length > 0) throw new BenchError('the store is damaged');
    };
    for (let time = 0; time < CHANGES; time++) {
      this.#add('verifyOne', point, await this.#server.measure(() => verify(one)));
    }
    this.#add('verifyAll', point, await this.#server.measure(() => verify()));
  }

  /** A server that has just begun, and knows nothing yet. */
  async #measureStart(point: GrowthPoint, opening: 'openNewest' | 'openOldest'): Promise<void> {
    await this.#restart();
    this.#add('start', point, this.#server.start);
    await sleep(SETTLE_MS);
    this.#add('idle', point, await this.#server.measure(() => Promise.resolve()));
    const copies = await this.#list();
    const mountPoint = path.join(this.#options.directory, 'mnt');
    mkdirSync(mountPoint, { recursive: true });
    const { client } = this.#server;
    await client.run(requests.mount({ mountPoint, allowOther: false, leased: false }));
    try {
      // What it looks at by itself, behind the first mount.
      await sleep(SETTLE_MS);
      const machine = path.join(mountPoint, MACHINE);
      const version = copies.at(opening === 'openNewest' ? -1 : 0)?.shadowCopy ?? '';
      this.#add(opening, point, await this.#server.measure(() => this.#readBlock(path.join(machine, version))));
      this.#add('listDirectory', point, await this.#server.measure(() => readdir(machine), REPEATS));
    } finally {
      await client.call(requests.unmount({ mountPoint, force: true }));
    }
  }

  async #readBlock(directory: string): Promise<void> {
    const file = await open(path.join(directory, 'volumes', `${VOLUME}.raw`));
    try {
      const { bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, this.#volume.dataOffset);
      if (bytesRead !== 4096) throw new BenchError(`${directory} could not be read`);
    } finally {
      await file.close();
    }
  }

  /** Leaves as many shadow copies as there were. */
  async #measureChanges(point: GrowthPoint): Promise<void> {
    const { client } = this.#server;
    await this.#backUp();
    for (let time = 0; time < CHANGES; time++) {
      this.#volume.change();
      this.#add('backup', point, await this.#server.measure(() => this.#backUp(false)));
    }
    for (let time = 0; time < CHANGES; time++) {
      const copies = await this.#list();
      const version = copies[Math.floor(copies.length / 2)]?.shadowCopy ?? '';
      const request = { shadowCopies: [{ machine: MACHINE, version }], force: false, dryRun: false };
      this.#add('forget', point, await this.#server.measure(() => client.run(requests.forget(request))));
      this.#add('collect', point, await this.#server.measure(() => client.run(requests.gc())));
    }
    for (let time = 0; time < CHANGES; time++) await this.#backUp();
    for (let more = CHANGES - 1; more >= 0; more--) {
      await this.#keepLast(point.copies + more);
      this.#add('prune', point, await this.#server.measure(() => this.#prune(false)));
    }
    await client.run(requests.gc());
    const left = (await this.#list()).length;
    if (left !== point.copies) throw new BenchError(`${left} shadow copies are left of ${point.copies}`);
  }

  async #backUp(changing = true): Promise<void> {
    if (changing) this.#volume.change();
    const images = [{ path: this.#volume.path, name: VOLUME }];
    await this.#server.client.run(requests.backup({ machine: MACHINE, images, configs: [], reread: true }));
  }

  async #keepLast(count: number): Promise<void> {
    const policy = `{ shadowCopies: { every: 4h }, keep: { counting: restic, last: ${count} } }`;
    const text = `default: grown\npolicies:\n  grown: ${policy}\n`;
    await this.#server.client.call(requests.applyPolicies({ text }));
  }

  async #prune(dryRun: boolean): Promise<void> {
    await this.#server.client.items(requests.prune({ dryRun }), () => Promise.resolve());
  }

  async #list(): Promise<readonly ShadowCopyInfo[]> {
    return await this.#server.client.call(requests.list(MACHINE));
  }

  async #restart(): Promise<void> {
    await this.#server.stop();
    this.#server = await GrowthServer.start(this.#store, this.#log);
  }
}

function storeIn(directory: string): string {
  return path.join(directory, 'store');
}

function logIn(directory: string): string {
  return path.join(directory, 'server.out');
}
