import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import path from 'node:path';
import { BenchError, reasonOf } from '../bench-error.js';
import { untilInterrupted } from '../interrupted.js';
import { log } from '../log.js';
import { unmountAll } from '../system.js';
import { formatFigure } from '../table.js';
import { measureAgent, measureMachines, OF_MACHINES } from './agent-series.js';
import { drawGrowth } from './chart.js';
import { formatGrowth, judge } from './growth-report.js';
import type { GrowthContext } from './growth-context.js';
import { HELP, parseGrowthOptions, type GrowthOptions } from './options.js';
import { GrowthSamples } from './samples.js';
import { measureStore } from './series-store.js';

const FAILED = 1;
/** What a server with the most shadow copies of the largest volumes may have in anonymous memory. */
const MEMORY_LIMIT_BYTES = 300e6;

async function main(): Promise<number> {
  const options = parseGrowthOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (process.getuid?.() !== 0) throw new BenchError('scripts/bench must be run as root');
  const signal = untilInterrupted();
  mkdirSync(options.directory, { recursive: true });
  const work = mkdtempSync(path.join(options.directory, 'umbra-growth.'));
  const samples = new GrowthSamples();
  const failures: string[] = [];
  try {
    await measureAll(options, work, samples, signal);
  } catch (error) {
    // What was measured by then took long enough.
    failures.push(reasonOf(error));
  } finally {
    await unmountAll(work);
    rmSync(work, { recursive: true, force: true });
  }
  return report(options, samples, failures);
}

async function measureAll(
  { scale, only, seed }: GrowthOptions,
  work: string,
  samples: GrowthSamples,
  signal: AbortSignal,
): Promise<void> {
  const add = samples.add.bind(samples);
  const inside = async (name: string, measure: (shared: GrowthContext) => Promise<void>): Promise<void> => {
    const directory = path.join(work, name);
    await measure({ directory, dataMib: scale.dataMib, seed, only, signal, add });
    rmSync(directory, { recursive: true, force: true });
  };
  const largest = scale.gib.at(-1);
  const upTo = (gib: number, copies: readonly number[]) => (gib === largest ? copies : [scale.copiesOfSizes]);
  for (const gib of scale.gib) {
    if (only.some((name) => name !== 'agentBackup')) {
      await inside('store', (shared) =>
        measureStore({ ...shared, gib, starts: scale.starts }, upTo(gib, scale.copies)),
      );
    }
    if (only.includes('agentBackup')) {
      await inside('agent', (shared) => measureAgent(gib, upTo(gib, scale.agentCopies), shared));
    }
  }
  if (only.some((name) => OF_MACHINES.includes(name))) {
    await inside('machines', (shared) => measureMachines(scale.machines, shared));
  }
}

/** @returns the exit code: a failure if something grows that may not */
function report(
  { scale, seed, out, json }: GrowthOptions,
  samples: GrowthSamples,
  failures: readonly string[],
): number {
  const judged = judge(samples);
  const cpu = cpus();
  const machine = `${cpu[0]?.model ?? ''}, ${cpu.length} CPUs, Linux ${release()}, Node.js ${process.version}`;
  const date = new Date().toISOString().slice(0, 10);
  process.stdout.write(`${formatGrowth(samples)}\n`);
  const hardest = { copies: scale.copies.at(-1) ?? 0, gib: scale.gib.at(-1) ?? 0, machines: 1 };
  const peakBytes = samples.peakBytesAt(hardest);
  process.stdout.write(
    `Of ${hardest.copies} shadow copies of ${hardest.gib} GiB, the server had ${formatFigure(peakBytes / 1e6)} MB of anonymous ` +
      `memory at most (limit ${MEMORY_LIMIT_BYTES / 1e6}).\n` +
      `${date}, scale ${scale.name}, ${scale.dataMib} MiB of data in each volume, seed ${seed}. ${machine}.\n`,
  );
  const grows = judged.filter(({ verdict }) => verdict === 'GROWS').map(({ series }) => series);
  for (const { operation, metric, axis } of grows) {
    process.stdout.write(`GROWS ${operation}, ${metric === 'peakBytes' ? 'memory' : 'time'}, with ${axis}\n`);
  }
  for (const failure of failures) process.stdout.write(`FAILED ${failure.split('\n', 1).join('')}\n`);
  if (out !== undefined) writeFileSync(out, drawGrowth(samples, `Umbra, ${date}, ${machine}`));
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ date, machine, scale, seed, samples, judged, failures }, null, 2)}\n`);
  }
  return grows.length + failures.length > 0 || peakBytes > MEMORY_LIMIT_BYTES ? FAILED : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  log(reasonOf(error));
  process.exitCode = FAILED;
}
