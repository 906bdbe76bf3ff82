import { existsSync } from 'node:fs';
import path from 'node:path';
import { BenchError } from './bench-error.js';
import { type BackupOptions, type Contender, type TimedBackup, type Version, Workplace } from './contender.js';
import { isMounted, unmountAll, waitFor } from './system.js';

/** restic as it comes: its content-defined chunks and automatic compression (zstd). */
export class Restic implements Contender {
  readonly name = 'restic';
  readonly #place: Workplace;
  #mountRuns: () => boolean = () => false;

  constructor(dir: string, signal: AbortSignal) {
    const env = {
      RESTIC_REPOSITORY: path.join(dir, 'store'),
      RESTIC_PASSWORD: 'benchmark',
      RESTIC_CACHE_DIR: path.join(dir, 'cache'),
    };
    this.#place = new Workplace(dir, env, signal);
  }

  get storeDir(): string {
    return this.#place.storeDir;
  }

  get watch(): Workplace['watch'] {
    return this.#place.watch;
  }

  async version(): Promise<string> {
    return (await this.#place.run('restic', ['version'])).stdout.trim();
  }

  async init(): Promise<void> {
    await this.#place.run('restic', ['init']);
  }

  async backup(machine: string, image: string, options: BackupOptions = {}): Promise<TimedBackup> {
    const flags = ['--quiet', '--json', '--host', machine];
    if (options.reread === true) flags.push('--force');
    const files = options.config === undefined ? [image] : [image, options.config];
    const { seconds, stdout } = await this.#place.run('restic', ['backup', ...flags, ...files]);
    const id = /"snapshot_id":"([0-9a-f]+)"/.exec(stdout)?.[1];
    if (id === undefined) throw new BenchError(`restic backup named no snapshot: ${stdout}`);
    return { version: { machine, id: id.slice(0, 8), image }, seconds };
  }

  async mount(version: Version, mountPoint: string): Promise<string> {
    const file = path.join(mountPoint, 'ids', version.id, version.image);
    this.#mountRuns = this.#place.start('restic', ['mount', mountPoint]);
    await waitFor('restic mount', () => this.#mountRuns() && isMounted(mountPoint) && existsSync(file));
    return file;
  }

  async unmount(mountPoint: string): Promise<void> {
    await unmountAll(mountPoint);
    await waitFor('restic mount to end', () => !this.#mountRuns());
  }

  async restore(version: Version, dir: string): Promise<{ file: string; seconds: number }> {
    const args = ['restore', '--target', dir, '--include', version.image, version.id];
    const { seconds } = await this.#place.run('restic', args);
    return { file: path.join(dir, version.image), seconds: seconds + (await this.#place.flush(dir)) };
  }

  async forget(version: Version): Promise<number> {
    return (await this.#place.run('restic', ['forget', '--prune', version.id])).seconds;
  }

  reportedAmplification(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return this.#place.close();
  }
}
