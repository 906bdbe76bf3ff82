import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import path from 'node:path';
import { BenchError, reasonOf } from '../bench-error.js';
import { untilInterrupted } from '../interrupted.js';
import { log } from '../log.js';
import { changed } from './changed.js';
import type { Figures } from './figures.js';
import { many } from './many.js';
import { HELP, parseAgentsOptions, type AgentsOptions, type SuiteName } from './options.js';
import type { Suite } from './suite.js';
import { vm } from './vm.js';
import { wire } from './wire.js';

const SUITES: Readonly<Record<SuiteName, Suite>> = { vm, changed, wire, many };

async function main(): Promise<number> {
  const options = parseAgentsOptions(process.argv.slice(2), process.env);
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (process.getuid?.() !== 0) throw new BenchError('scripts/bench must be run as root');
  const signal = untilInterrupted();
  // QEMU and its sockets: a short path that every user can enter.
  const work = path.join(tmpdir(), `umbra-bench.${process.pid}`);
  const failures: string[] = [];
  const all: Figures[] = [];
  for (const name of options.only) {
    if (signal.aborted) break;
    const directory = path.join(work, name);
    mkdirSync(directory, { recursive: true });
    try {
      all.push(...(await SUITES[name].run({ ...options, directory, signal })));
    } catch (error) {
      failures.push(`${name}: ${reasonOf(error)}`);
      log(failures.at(-1) ?? '');
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  report(all, options, failures);
  return failures.length > 0 || signal.aborted ? 1 : 0;
}

function report(all: readonly Figures[], options: AgentsOptions, failures: readonly string[]): void {
  for (const figures of all) process.stdout.write(`${figures.format()}\n`);
  const cpu = cpus();
  const machine = `${cpu[0]?.model ?? ''}, ${cpu.length} CPUs, Linux ${release()}, Node.js ${process.version}`;
  process.stdout.write(`Medians of ${options.rounds} rounds, scale ${options.scale}. ${machine}.\n`);
  for (const failure of failures) process.stdout.write(`FAILED ${failure.split('\n', 1).join('')}\n`);
  if (options.json === undefined) return;
  writeFileSync(options.json, `${JSON.stringify({ suites: all, machine, failures }, null, 2)}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  log(reasonOf(error));
  process.exitCode = 1;
}
