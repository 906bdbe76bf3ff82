import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BenchError, reasonOf } from './bench-error.js';
import { Bench } from './bench.js';
import { untilInterrupted } from './interrupted.js';
import { log } from './log.js';
import { HELP, parseOptions, type BenchOptions } from './options.js';
import { formatReport } from './report.js';
import { isAlive, unmountAll } from './system.js';

const FAILED = 1;
const INTERRUPTED = 130;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (process.getuid?.() !== 0) throw new BenchError('scripts/bench must be run as root');
  const signal = untilInterrupted();
  try {
    return await measure(options, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    return INTERRUPTED;
  }
}

async function measure(options: BenchOptions, signal: AbortSignal): Promise<number> {
  await removeLeftovers(options.cache);
  const workDir = path.join(options.cache, `work.${process.pid}`);
  mkdirSync(workDir, { recursive: true });
  try {
    const report = await new Bench(options, workDir, signal).run();
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(report, null, 2) + '\n');
    process.stdout.write(formatReport(report, options.contenders));
    for (const failure of report.failures) process.stdout.write(`FAILED ${failure.split('\n', 1).join('')}\n`);
    return report.failures.length > 0 ? FAILED : 0;
  } finally {
    await unmountAll(workDir);
    rmSync(workDir, { recursive: true, force: true });
  }
}

/** Directories named after a process that was killed before it could remove them. */
async function removeLeftovers(cache: string): Promise<void> {
  for (const name of existsSync(cache) ? readdirSync(cache) : []) {
    const pid = /(?:^work\.|\.building-)(\d+)$/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const dir = path.join(cache, name);
    await unmountAll(dir);
    rmSync(dir, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  log(reasonOf(error));
  process.exitCode = FAILED;
}
