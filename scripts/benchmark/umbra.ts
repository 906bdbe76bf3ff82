import { existsSync } from 'node:fs';
import path from 'node:path';
import type { BackupResult, StatsResult } from '../../src/protocol/api.js';
import { type BackupOptions, type Contender, type TimedBackup, type Version, Workplace } from './contender.js';
import type { RunResult } from './process.js';
import { waitFor } from './system.js';

/** The compiled command line, not `scripts/umbra`, which first looks for sources that changed. */
const UMBRA = path.resolve(import.meta.dirname, '../../bundle/umbra.js');
const VOLUME = 'vda';

/** Umbra; the first command starts its server, which stays until {@link close}. */
export class Umbra implements Contender {
  readonly name = 'umbra';
  readonly #place: Workplace;

  constructor(dir: string, signal: AbortSignal) {
    this.#place = new Workplace(dir, { UMBRA_STORE: path.join(dir, 'store') }, signal);
  }

  get storeDir(): string {
    return this.#place.storeDir;
  }

  get watch(): Workplace['watch'] {
    return this.#place.watch;
  }

  async version(): Promise<string> {
    return (await this.#umbra(['--version'])).stdout.trim();
  }

  /** The first backup makes the store. */
  init(): Promise<void> {
    return Promise.resolve();
  }

  async backup(machine: string, image: string, options: BackupOptions = {}): Promise<TimedBackup> {
    const flags = ['--json'];
    if (options.reread === true) flags.push('--reread');
    if (options.config !== undefined) flags.push('--config', options.config);
    const { seconds, stdout } = await this.#umbra(['backup', machine, image, ...flags]);
    const result = JSON.parse(stdout) as BackupResult;
    return { version: { machine, id: result.shadowCopy, image }, seconds };
  }

  async mount(version: Version, mountPoint: string): Promise<string> {
    const file = path.join(mountPoint, version.machine, version.id, 'volumes', `${VOLUME}.raw`);
    await this.#umbra(['mount', mountPoint, '--background']);
    await waitFor('umbra mount', () => existsSync(file));
    return file;
  }

  async unmount(mountPoint: string): Promise<void> {
    await this.#umbra(['unmount', mountPoint]);
  }

  async restore(version: Version, dir: string): Promise<{ file: string; seconds: number }> {
    const file = path.join(dir, 'restored.img');
    const { seconds } = await this.#umbra(['restore', named(version), '--volume', VOLUME, '--to', file]);
    return { file, seconds: seconds + (await this.#place.flush(dir)) };
  }

  async forget(version: Version): Promise<number> {
    const forgotten = await this.#umbra(['forget', named(version)]);
    const collected = await this.#umbra(['gc']);
    return forgotten.seconds + collected.seconds;
  }

  async reportedAmplification(): Promise<number | undefined> {
    const { stdout } = await this.#umbra(['stats', '--json']);
    return (JSON.parse(stdout) as StatsResult).writeAmplification ?? undefined;
  }

  #umbra(args: readonly string[]): Promise<RunResult> {
    return this.#place.run(process.execPath, [UMBRA, ...args]);
  }

  async close(): Promise<void> {
    try {
      if (existsSync(this.storeDir)) await this.#umbra(['stop']);
    } finally {
      await this.#place.close();
    }
  }
}

function named(version: Version): string {
  return `${version.machine}@${version.id}`;
}
