import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';

/** The compiled program, not `scripts/umbra`, which first looks for sources that changed. */
export const UMBRA = path.resolve(import.meta.dirname, '../../bundle/umbra.js');

/** Umbra, with a command that runs until it is stopped. */
export class Running {
  readonly pid: number;
  readonly #child: ChildProcess;

  /** @param log where what it prints is appended */
  constructor(args: readonly string[], log: string) {
    const out = openSync(log, 'a');
    this.#child = spawn(process.execPath, [...nodeArguments(args), UMBRA, ...args], { stdio: ['ignore', out, out] });
    closeSync(out);
    this.pid = this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async stop(): Promise<void> {
    if (this.hasEnded) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await gone;
  }
}

/** `UMBRA_BENCH_PROFILE=DIRECTORY` has server and agents leave profiles of V8 there. */
function nodeArguments(args: readonly string[]): string[] {
  const directory = process.env['UMBRA_BENCH_PROFILE'];
  if (directory === undefined) return [];
  return ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-name=${args[0] ?? ''}-${Date.now()}.cpuprofile`];
}
