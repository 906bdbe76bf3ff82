import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { BenchError } from './bench-error.js';
import { run, type RunResult } from './process.js';
import { endProcesses, unmountAll } from './system.js';
import { ProcessWatch, TAG, taggedPids } from './watch-processes.js';

export const CONTENDER_NAMES = ['umbra', 'borg', 'restic'] as const;
export type ContenderName = (typeof CONTENDER_NAMES)[number];

/** A backup that was made. */
export interface Version {
  readonly machine: string;
  /** What the contender calls it. */
  readonly id: string;
  /** The path of the image that was backed up. */
  readonly image: string;
}

export interface BackupOptions {
  /** A configuration file to keep with the image. */
  readonly config?: string;
  /** Read the image even if its size and times did not change. */
  readonly reread?: boolean;
}

export interface TimedBackup {
  readonly version: Version;
  readonly seconds: number;
}

/** One program with one fresh store. Seconds are those of its processes, from start to end. */
export interface Contender {
  readonly name: ContenderName;
  /** The directory whose size on disk counts. */
  readonly storeDir: string;
  readonly watch: ProcessWatch;
  /** Also brings the program's files into the page cache. */
  version(): Promise<string>;
  init(): Promise<void>;
  backup(machine: string, image: string, options?: BackupOptions): Promise<TimedBackup>;
  /** Mounts so that `version` can be read; returns the path of its raw volume when it is there. */
  mount(version: Version, mountPoint: string): Promise<string>;
  unmount(mountPoint: string): Promise<void>;
  /** Restores the image into the empty directory `dir`, which is on disk when the time ends. */
  restore(version: Version, dir: string): Promise<{ readonly file: string; readonly seconds: number }>;
  /** Forgets `version` and gives its space back. */
  forget(version: Version): Promise<number>;
  /** What the program itself says that it wrote to disk for each byte stored; undefined if it does not say. */
  reportedAmplification(): Promise<number | undefined>;
  /** Ends everything that was left running and removes the store. */
  close(): Promise<void>;
}

/** What the contenders have in common: a directory, tagged processes, and their end. */
export class Workplace {
  readonly watch: ProcessWatch;
  readonly storeDir: string;
  readonly #tag = randomUUID();

  /** `dir` is made, and removed by {@link close}. */
  constructor(
    readonly dir: string,
    private readonly env: Readonly<Record<string, string>>,
    private readonly signal: AbortSignal,
  ) {
    mkdirSync(dir, { recursive: true });
    this.storeDir = path.join(dir, 'store');
    this.watch = new ProcessWatch(this.#tag);
    this.watch.start();
  }

  /** @throws {BenchError} when the program fails */
  async run(command: string, args: readonly string[], cwd?: string): Promise<RunResult> {
    const result = await run(command, args, {
      env: { ...this.env, [TAG]: this.#tag },
      signal: this.signal,
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.watch.look();
    return result;
  }

  /**
   * Starts a program that stays; it is ended by {@link close}, or by what it does itself.
   *
   * @throws {BenchError} from the returned function when it has ended with an error
   */
  start(command: string, args: readonly string[]): () => boolean {
    const child = spawn(command, args, {
      stdio: 'ignore',
      env: { ...process.env, ...this.env, [TAG]: this.#tag },
    });
    let failure: Error | undefined;
    child.once('error', (error) => (failure = error));
    return () => {
      if (failure !== undefined || (child.exitCode ?? 0) !== 0) {
        throw new BenchError(
          `${[command, ...args].join(' ')} has ended: ${failure?.message ?? `code ${child.exitCode}`}`,
        );
      }
      return child.exitCode === null;
    };
  }

  /** Seconds until what was written below `dir` is on disk. */
  async flush(dir: string): Promise<number> {
    return (await run('sync', ['-f', dir])).seconds;
  }

  async close(): Promise<void> {
    this.watch.stop();
    await unmountAll(this.dir);
    await endProcesses(() => taggedPids(this.#tag));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
