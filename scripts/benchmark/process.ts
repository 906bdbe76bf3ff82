import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BenchError } from './bench-error.js';

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Aborting it kills the process. */
  readonly signal?: AbortSignal;
  /** Called with the process id as soon as there is one. */
  readonly started?: (pid: number) => void;
}

export interface RunResult {
  readonly stdout: string;
  /** From just before the process was started until it ended. */
  readonly seconds: number;
}

const TAIL_LENGTH = 2000;

/**
 * Runs a program to its end. What it prints goes through files and not pipes, so that a server that it
 * leaves behind and that holds them open does not hold us.
 *
 * @throws {BenchError} when it cannot be started, ends with another code than 0, or is aborted
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const dir = mkdtempSync(path.join(tmpdir(), 'umbra-bench-out-'));
  const out = openSync(path.join(dir, 'out'), 'w');
  const err = openSync(path.join(dir, 'err'), 'w');
  try {
    const start = process.hrtime.bigint();
    const ending = await ended(command, args, options, out, err);
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    const stdout = readFileSync(path.join(dir, 'out'), 'utf8');
    if (ending === 'code 0') return { stdout, seconds };
    const stderr = readFileSync(path.join(dir, 'err'), 'utf8');
    const said = `${stdout}\n${stderr}`.trim().slice(-TAIL_LENGTH);
    throw new BenchError(`${[command, ...args].join(' ')} ended with ${ending}: ${said}`);
  } finally {
    closeSync(out);
    closeSync(err);
    rmSync(dir, { recursive: true, force: true });
  }
}

function ended(
  command: string,
  args: readonly string[],
  options: RunOptions,
  out: number,
  err: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', out, err],
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (child.pid !== undefined) options.started?.(child.pid);
    child.once('error', (error) => {
      reject(new BenchError(`${command} could not be run: ${error.message}`, { cause: error }));
    });
    child.once('exit', (code, signal) => {
      resolve(code === null ? `signal ${signal ?? 'unknown'}` : `code ${code}`);
    });
  });
}
