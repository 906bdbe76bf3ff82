import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemCode } from '../../src/common/errors.js';
import type {
  BackupResult,
  ForgetResult,
  GcResult,
  RebuildResult,
  ShadowCopyInfo,
  VerifyResult,
  WireError,
} from '../../src/protocol/api.js';
import type { StatusResult } from '../../src/protocol/server-api.js';

/** The program as users run it. */
export const UMBRA_PROGRAM = fileURLToPath(new URL('../../bundle/umbra.js', import.meta.url));
const GONE_LIMIT_MS = 30_000;

/**
 * Node.js without what measures coverage, with {@link plainEnvironment}: most of these many processes are killed, and count for nothing
 * then. measure-children.js has every child process load it, whatever environment it is given, so the variable is taken away when it has
 * started.
 */
export const PLAIN_NODE: readonly [string, ...string[]] = ['env', '--unset=NODE_OPTIONS', process.execPath];

/** How a command ended. */
export interface Ended {
  readonly command: string;
  /** Undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** What {@link umbraAt} and the crash runs give their cleaning up to; a test of tap is one. */
export interface Teardown {
  teardown(handler: () => unknown): void;
}

/** The real `umbra` program, as users run it, over one store, every command a process, with `--json`. */
export class Umbra {
  readonly store: string;

  constructor(store: string) {
    this.store = store;
  }

  start(...commandLine: readonly string[]): Running {
    const [program, ...args] = PLAIN_NODE;
    const child = spawn(program, [...args, UMBRA_PROGRAM, ...commandLine, '--store', this.store, '--json'], {
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = once(child, 'close').then(([code]: unknown[]) => ({
      command: commandLine.join(' '),
      code: typeof code === 'number' ? code : undefined,
      stdout,
      stderr,
    }));
    return { child, ended };
  }

  run(...commandLine: readonly string[]): Promise<Ended> {
    return this.start(...commandLine).ended;
  }

  /** Run a command that must succeed; its result. */
  async result(...commandLine: readonly string[]): Promise<unknown> {
    const ended = await this.run(...commandLine);
    if (ended.code !== 0) throw new Error(`umbra ${ended.command}: exit code ${String(ended.code)}\n${ended.stderr}`);
    return JSON.parse(ended.stdout);
  }

  async backup(machine: string, ...images: readonly string[]): Promise<BackupResult> {
    return (await this.result('backup', machine, ...images)) as BackupResult;
  }

  async list(): Promise<readonly ShadowCopyInfo[]> {
    return (await this.result('list')) as readonly ShadowCopyInfo[];
  }

  async forget(...commandLine: readonly string[]): Promise<ForgetResult> {
    return (await this.result('forget', ...commandLine)) as ForgetResult;
  }

  async gc(): Promise<GcResult> {
    return (await this.result('gc')) as GcResult;
  }

  async rebuild(): Promise<RebuildResult> {
    return (await this.result('rebuild')) as RebuildResult;
  }

  /** What verification found, damage too. */
  async verify(...commandLine: readonly string[]): Promise<{ code: number | undefined; found: VerifyResult }> {
    const ended = await this.run('verify', ...commandLine);
    if (ended.code !== 0 && ended.code !== 5) throw new Error(`umbra verify: ${String(ended.code)}\n${ended.stderr}`);
    return { code: ended.code, found: JSON.parse(ended.stdout) as VerifyResult };
  }

  async status(): Promise<StatusResult> {
    return (await this.result('status')) as StatusResult;
  }

  /** Mount in the background. */
  async mount(mountPoint: string, ...options: readonly string[]): Promise<void> {
    await this.result('mount', mountPoint, '--background', ...options);
  }

  /** The process that serves the store, if one does. */
  serverPid(): number | undefined {
    return this.#serverPids()[0];
  }

  /** SIGKILL the server, and those that start just now, and wait until they are gone; false if none runs. */
  async killServer(): Promise<boolean> {
    const pids = this.#serverPids();
    for (const pid of pids) kill(pid);
    for (const pid of pids) await gone(pid);
    return pids.length > 0;
  }

  /** End the server in order, so that its files lie still. */
  async stop(): Promise<void> {
    const pid = this.serverPid();
    if (pid === undefined) return;
    await this.run('stop');
    await gone(pid);
  }

  /** The lines of the server's log. */
  log(): string[] {
    return readText(join(this.store, 'server.log')).trimEnd().split('\n');
  }

  /** By their command lines, before and after a server gives itself a title: the store's disk may not answer. */
  #serverPids(): number[] {
    const marks = [`umbra serve --store ${this.store}`, `"store":${JSON.stringify(this.store)}`];
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => {
        if (!(pid > 0)) return false;
        const commandLine = readText(`/proc/${pid}/cmdline`);
        return marks.some((mark) => commandLine.includes(mark)) && isAlive(pid);
      });
  }
}

/** The program over a store, whose server is killed, if it runs, when the test ends. */
export function umbraAt(t: Teardown, store: string): Umbra {
  const umbra = new Umbra(store);
  t.teardown(() => umbra.killServer());
  return umbra;
}

/** The error that a command with `--json` printed. */
export function errorOf(ended: Ended): WireError {
  const answer: unknown = ended.stdout === '' ? undefined : JSON.parse(ended.stdout);
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) {
    throw new Error(`umbra ${ended.command} printed no error: exit code ${String(ended.code)}\n${ended.stderr}`);
  }
  return answer.error as WireError;
}

/** What {@link PLAIN_NODE} is to be run in. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...rest } = process.env;
  return { ...rest, UMBRA_IDLE_SECONDS: '60' };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

async function gone(pid: number): Promise<void> {
  for (let waitedMs = 0; isAlive(pid); waitedMs += 5) {
    if (waitedMs > GONE_LIMIT_MS) throw new Error(`process ${pid} does not end`);
    await sleep(5);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EIO', 'ENOTCONN'].includes(systemCode(error) ?? '')) return '';
    throw error;
  }
}

/** A process whose parent has not waited for it yet is a zombie, which is dead enough. */
function isAlive(pid: number): boolean {
  const state = /^\d+ \(.*\) (\S)/s.exec(readText(`/proc/${pid}/stat`))?.[1];
  return state !== undefined && state !== 'Z';
}
