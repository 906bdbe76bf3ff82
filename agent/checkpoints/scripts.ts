import { spawn } from 'node:child_process';
import { isAbsolute } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { printable } from '../../src/common/printable.js';

/** Programs that an administrator wants to run around a checkpoint. */
export interface CheckpointScripts {
  /** Absolute path; runs before the machine is brought to a standstill. */
  readonly before?: string;
  /** Absolute path; runs when the machine goes on, always, also if `before` failed. */
  readonly after?: string;
  /** For each of them. */
  readonly timeoutMs: number;
  /** What a failure of `before` does. */
  readonly onFailure: 'abort' | 'continue';
  /** `before` brings what runs in the machine into a consistent state: then the checkpoint is `application`. */
  readonly quiescesApplications: boolean;
}

export interface ScriptRun {
  readonly path: string;
  readonly machine: string;
  readonly phase: 'before' | 'after';
  readonly timeoutMs: number;
  readonly clock: Clock;
}

const MAX_OUTPUT = 4096;

/**
 * Run a script without arguments, with `UMBRA_MACHINE` and `UMBRA_PHASE` in its environment. One that does not end in time is
 * killed with all that it started.
 * @throws {UmbraError} SCRIPT_FAILED
 */
export async function runScript({ path, machine, phase, timeoutMs, clock }: ScriptRun): Promise<void> {
  if (!isAbsolute(path)) throw new UmbraError('SCRIPT_FAILED', `the script "${path}" has no absolute path`);
  const child = spawn(path, [], {
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', UMBRA_MACHINE: machine, UMBRA_PHASE: phase },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    if (output.length < MAX_OUTPUT) output += part;
  });
  let isLate = false;
  const stopWaiting = clock.after(timeoutMs, () => {
    isLate = true;
    killGroup(child.pid);
    // Somebody outside of the group may hold it.
    child.stderr.destroy();
  });
  const failure = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => {
      resolve(`cannot be run: ${error.message}`);
    });
    child.on('exit', (code, signal) => {
      if (isLate) resolve(`did not end within ${timeoutMs} ms`);
      else if (code !== 0) resolve(`ended with ${signal ?? `exit code ${code}`}${said(output)}`);
      else resolve(undefined);
    });
  });
  stopWaiting();
  // What it left running in the background may hold the pipe.
  child.stderr.destroy();
  if (failure === undefined) return;
  throw new UmbraError('SCRIPT_FAILED', `the script ${path} of machine ${machine} ${failure}`, {
    hint: 'Mend the script, or let checkpoints go on without it.',
  });
}

function said(output: string): string {
  const text = printable(output.trim()).slice(0, 300);
  return text === '' ? '' : `: ${text}`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}
