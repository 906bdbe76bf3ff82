import { existsSync } from 'node:fs';
import path from 'node:path';
import { type BackupOptions, type Contender, type TimedBackup, type Version, Workplace } from './contender.js';
import { isMounted, unmountAll, waitFor } from './system.js';

/** BorgBackup with fixed chunks of 64 KiB (its advice for disk images) and LZ4 (its default). */
export class Borg implements Contender {
  readonly name = 'borg';
  readonly #place: Workplace;
  #count = 0;
  #mountRuns: () => boolean = () => false;

  constructor(dir: string, signal: AbortSignal) {
    const env = {
      BORG_BASE_DIR: path.join(dir, 'home'),
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
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
    return (await this.#place.run('borg', ['--version'])).stdout.trim();
  }

  async init(): Promise<void> {
    await this.#place.run('borg', ['init', '--encryption', 'none', this.storeDir]);
  }

  async backup(machine: string, image: string, options: BackupOptions = {}): Promise<TimedBackup> {
    this.#count += 1;
    const id = `${machine}-${this.#count}`;
    const flags = ['--chunker-params', 'fixed,65536', '-C', 'lz4'];
    if (options.reread === true) flags.push('--files-cache', 'disabled');
    const files = options.config === undefined ? [image] : [image, options.config];
    const { seconds } = await this.#place.run('borg', ['create', ...flags, `${this.storeDir}::${id}`, ...files]);
    return { version: { machine, id, image }, seconds };
  }

  async mount(version: Version, mountPoint: string): Promise<string> {
    const file = path.join(mountPoint, version.image);
    this.#mountRuns = this.#place.start('borg', ['mount', '--foreground', this.#archive(version), mountPoint]);
    await waitFor('borg mount', () => this.#mountRuns() && isMounted(mountPoint) && existsSync(file));
    return file;
  }

  async unmount(mountPoint: string): Promise<void> {
    await unmountAll(mountPoint);
    await waitFor('borg mount to end', () => !this.#mountRuns());
  }

  async restore(version: Version, dir: string): Promise<{ file: string; seconds: number }> {
    const inArchive = version.image.slice(1);
    const { seconds } = await this.#place.run('borg', ['extract', '--sparse', this.#archive(version), inArchive], dir);
    return { file: path.join(dir, inArchive), seconds: seconds + (await this.#place.flush(dir)) };
  }

  async forget(version: Version): Promise<number> {
    const deleted = await this.#place.run('borg', ['delete', this.#archive(version)]);
    const compacted = await this.#place.run('borg', ['compact', this.storeDir]);
    return deleted.seconds + compacted.seconds;
  }

  reportedAmplification(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return this.#place.close();
  }

  #archive(version: Version): string {
    return `${this.storeDir}::${version.id}`;
  }
}
