import { closeSync, openSync, writeSync } from 'node:fs';
import { HELP, parseOptions, type SimulateOptions } from './options.js';
import { failureText, repeatCommand, summaryText } from './report.js';
import { simulate } from './simulation.js';

/** On what is no terminal a line says so often how far it is. */
const LINE_MS = 30_000;
const CLEAR_LINE = '\r\u001b[K';

function progressOf(days: number, beganMs: number): (passedDays: number) => void {
  let saidMs = performance.now();
  return (passedDays) => {
    const seconds = Math.round((performance.now() - beganMs) / 1000);
    const text = `day ${Math.floor(passedDays)} of ${Math.floor(days)}, after ${seconds} s`;
    if (process.stderr.isTTY) {
      const width = 30;
      const done = Math.min(width, Math.floor((passedDays / days) * width));
      process.stderr.write(`${CLEAR_LINE}[${'='.repeat(done)}${' '.repeat(width - done)}] ${text}`);
    } else if (performance.now() - saidMs > LINE_MS) {
      saidMs = performance.now();
      process.stderr.write(`${text}\n`);
    }
  };
}

async function runOnce(options: SimulateOptions, seed: number): Promise<boolean> {
  const { machines, days, faults, plant, json } = options;
  const beganMs = performance.now();
  if (!json) process.stdout.write(`seed ${seed}\n`);
  const file = options.history === undefined ? undefined : openSync(options.history, 'w');
  const tell = (line: string): void => {
    if (file !== undefined) writeSync(file, `${line}\n`);
  };
  const result = await simulate({ machines, days, seed, faults, plant, progress: progressOf(days, beganMs), tell });
  if (file !== undefined) closeSync(file);
  if (process.stderr.isTTY) process.stderr.write(CLEAR_LINE);
  const cost = { seconds: (performance.now() - beganMs) / 1000, peakBytes: process.resourceUsage().maxRSS * 1024 };
  if (json) process.stdout.write(`${JSON.stringify({ ...result, ...cost, repeat: repeatCommand(options, seed) })}\n`);
  else process.stdout.write(summaryText(result, cost) + failureText(result, options));
  return result.violation === undefined;
}

/** @returns undefined if it was said what can't be understood */
function optionsOf(args: readonly string[]): SimulateOptions | undefined {
  try {
    return parseOptions(args, () => Math.floor(Math.random() * 2 ** 32));
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    process.stderr.write(`simulate: ${error.message}\n(see scripts/simulate --help)\n`);
    return undefined;
  }
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  // 1 is that something did not hold.
  if (options === undefined) return 2;
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  for (let { seed } = options; ; seed += 1) {
    if (!(await runOnce(options, seed))) return 1;
    if (!options.untilFailure) return 0;
  }
}

process.exitCode = await main();
