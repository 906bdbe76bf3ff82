import { execFile, fork, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { readMounts } from '../../src/system/mounts.js';
import type { MountChildApi, MountChildCall, MountChildReply } from './mount-child-api.js';

/** So long the process may take to end of itself. */
const LEAVE_MS = 120_000;
const CHILD = new URL('./mount-child.js', import.meta.url);

/** An error that the child's answer carried. */
export class MountChildError extends Error {
  readonly code: string;
  readonly hint: string | undefined;

  constructor({ code, message, hint }: NonNullable<MountChildReply['error']>) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

async function mountsBelow(directory: string): Promise<string[]> {
  return (await readMounts()).map(({ mountPoint }) => mountPoint).filter((path) => path.startsWith(`${directory}/`));
}

/** A directory of the test's own; whatever is mounted in it at the end is unmounted. */
export function scratch(t: Test): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'umbra-mount-')));
  t.teardown(async () => {
    for (const mountPoint of await mountsBelow(directory)) {
      const { status } = spawnSync('fusermount', ['-uz', '--', mountPoint]);
      // Its server may have gone just now, and the mount with it.
      if (status !== 0 && (await mountsBelow(directory)).includes(mountPoint))
        throw new Error(`${mountPoint} cannot be unmounted`);
    }
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** A process that serves mounts, and the way to tell it what to do. */
export class MountServer {
  readonly directory: string;
  readonly store: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: MountChildReply) => void>();
  #calls = 0;

  /** Started, with an empty source and a table of mounts. The test's end ends it. */
  static async start(
    t: Test,
    { directory = scratch(t), kernelCacheSeconds }: { directory?: string; kernelCacheSeconds?: number } = {},
  ): Promise<MountServer> {
    const server = new MountServer(directory);
    t.teardown(() => server.kill());
    mkdirSync(server.store, { recursive: true });
    await server.call('openMounts', {
      store: server.store,
      ...(kernelCacheSeconds !== undefined && { kernelCacheSeconds }),
    });
    return server;
  }

  private constructor(directory: string) {
    this.directory = directory;
    this.store = join(directory, 'store');
    const execArgv = [...process.execArgv, '--report-on-signal', `--report-directory=${directory}`];
    this.#child = fork(CHILD, { serialization: 'advanced', execArgv });
    this.#child.on('message', (reply: MountChildReply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws {MountChildError} what the method threw over there */
  async call<M extends keyof MountChildApi>(
    method: M,
    ...args: Parameters<MountChildApi[M]>
  ): Promise<Awaited<ReturnType<MountChildApi[M]>>> {
    const call: MountChildCall = { id: ++this.#calls, method, args };
    const reply = await new Promise<MountChildReply>((resolve) => {
      this.#waiting.set(call.id, resolve);
      this.#child.send(call);
    });
    if (reply.error !== undefined) throw new MountChildError(reply.error);
    return reply.value as Awaited<ReturnType<MountChildApi[M]>>;
  }

  /** Mounts at a new directory of that name; returns its path. */
  async mount(
    name: string,
    request: { machine?: string; version?: string; allowOther?: boolean } = {},
  ): Promise<string> {
    return (await this.call('mount', { mountPoint: join(this.directory, name), ...request })).mountPoint;
  }

  /** Reads each file by a `cat` of its own, all at once. */
  async catAll(paths: readonly string[]): Promise<string[]> {
    return (await Promise.all(paths.map((path) => run('cat', path)))).map(({ stdout }) => stdout);
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  /**
   * Ends the way to the process, so that nothing but mounts keeps it alive; resolves with its exit code.
   * @throws what keeps it alive for so long
   */
  async leave(): Promise<number | null> {
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    const late = sleep(LEAVE_MS, false, { ref: false });
    if ((await Promise.race([exited, late])) === false) throw new Error(`it does not end: ${await this.#handles()}`);
    return this.#child.exitCode;
  }

  /** What the event loop of the process waits for, if it says so. */
  async #handles(): Promise<string> {
    const reports = (): string[] => readdirSync(this.directory).filter((name) => name.startsWith('report.'));
    this.#child.kill('SIGUSR2');
    if (!(await until(() => Promise.resolve(reports().length > 0)))) return 'it stands still at its end';
    const report = readFileSync(join(this.directory, reports()[0] ?? ''), 'utf8');
    return report.slice(report.indexOf('"libuv"'), report.indexOf('"workers"'));
  }
}

/** How a program ended that {@link run} ran. */
export interface Outcome {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in the C locale and waits for it; a failing one is a result, not an error. */
export async function run(program: string, ...args: readonly string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, {
      env: { ...process.env, LC_ALL: 'C' },
      maxBuffer: 64 * 1024 * 1024,
    });
    return { ok: true, stdout, stderr };
  } catch (error) {
    if (error instanceof Error && 'stderr' in error && typeof error.stderr === 'string') {
      return { ok: false, stdout: '', stderr: error.stderr };
    }
    throw error;
  }
}

/** Waits until `condition` holds, at most ten seconds. */
export async function until(condition: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}
