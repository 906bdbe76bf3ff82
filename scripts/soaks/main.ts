import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FieldRun } from '../../test/kit/trust/field-run.js';
import { Random } from '../../test/kit/random.js';
import { endsAfterRound } from '../crashes/interruption.js';
import { HELP, parseOptions, type SoakOptions } from './options.js';

/** A field is used for so many rounds; then a new one begins with the next seed. */
const ROUNDS_OF_A_FIELD = 60;

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options === undefined) return 2;
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  return await soak(options, endsAfterRound());
}

function optionsOf(commandLine: readonly string[]): SoakOptions | undefined {
  try {
    return parseOptions(commandLine, () => Math.floor(Math.random() * 2 ** 32));
  } catch (error) {
    process.stderr.write(`scripts/soak: ${error instanceof Error ? error.message : String(error)}\n${HELP}`);
    return undefined;
  }
}

async function soak(options: SoakOptions, interrupted: AbortSignal): Promise<number> {
  const { minutes, seed } = options;
  const beganMs = performance.now();
  const goesOn = (): boolean => performance.now() < beganMs + minutes * 60_000 && !interrupted.aborted;
  for (let fieldSeed = seed; goesOn(); fieldSeed++) {
    if (!(await soakField(fieldSeed, options, goesOn))) return 1;
  }
  return 0;
}

/** @returns false if a promise did not hold */
async function soakField(seed: number, { linux, light }: SoakOptions, goesOn: () => boolean): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), 'umbra-soak-'));
  say(`seed ${seed} in ${directory}`);
  const run = new FieldRun(directory, new Random(seed), { withGuestAgent: linux, hasHypervisors: !light });
  let round = 0;
  try {
    while (goesOn() && round < ROUNDS_OF_A_FIELD) {
      const struck = await run.round();
      say(`round ${++round}: fine; ${struck.length === 0 ? 'nothing was struck' : struck.join('; ')}`);
      say(`  ${run.shadowCopies} shadow copies so far; ${run.meter.describe()}`);
    }
  } catch (error) {
    say(`round ${round + 1} with seed ${seed} FAILED: ${error instanceof Error ? error.stack : String(error)}`);
    say(`what there is is left in ${directory}`);
    process.exitCode = 1;
    return false;
  } finally {
    const counts = [...run.counts].sort(([a], [b]) => (a < b ? -1 : 1));
    say(`done: ${counts.map(([what, count]) => `${what} ${count}`).join(', ')}`);
    for (const line of run.meter.trend()) say(`MiB/files of ${line}`);
    await run.end();
  }
  rmSync(directory, { recursive: true, force: true });
  return true;
}

function say(line: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

process.exitCode = await main();
