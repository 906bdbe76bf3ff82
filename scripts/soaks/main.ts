import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FieldRun, Interrupted } from '../../test/kit/trust/field-run.js';
import { leftInTheEnd } from '../../test/kit/trust/field/left-behind.js';
import { Tally } from '../../test/kit/trust/field/tally.js';
import { Random } from '../../test/kit/random.js';
import { endsAtOnce } from './interruption.js';
import { HELP, parseOptions, type SoakOptions } from './options.js';
import { exitCodeOf, neverDone, verdictOf } from './verdict.js';

/** A field is used for so many rounds; then a new one begins with the next seed. */
const ROUNDS_OF_A_FIELD = 60;

interface Soak extends SoakOptions {
  readonly tally: Tally;
  readonly interrupted: AbortSignal;
  readonly goesOn: () => boolean;
  /** Filled. */
  readonly violations: string[];
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options === undefined) return 2;
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  return await soak(options);
}

function optionsOf(commandLine: readonly string[]): SoakOptions | undefined {
  try {
    return parseOptions(commandLine, () => Math.floor(Math.random() * 2 ** 32));
  } catch (error) {
    process.stderr.write(`scripts/soak: ${error instanceof Error ? error.message : String(error)}\n${HELP}`);
    return undefined;
  }
}

async function soak(options: SoakOptions): Promise<number> {
  const interrupted = endsAtOnce(say);
  const beganMs = performance.now();
  const minutesSince = (): number => (performance.now() - beganMs) / 60_000;
  const tally = new Tally();
  const violations: string[] = [];
  const goesOn = (): boolean => minutesSince() < options.minutes && !interrupted.aborted && violations.length === 0;
  const base = tmpdir();
  for (let { seed } = options; goesOn(); seed++) {
    await soakField({ ...options, seed, tally, interrupted, goesOn, violations }, base);
  }
  violations.push(...neverDone(tally));
  const { seed } = options;
  const ending = { seed, minutes: minutesSince(), violations, isInterrupted: interrupted.aborted };
  for (const line of verdictOf(ending, tally)) say(line);
  return exitCodeOf(ending, tally);
}

async function soakField(soaked: Soak, base: string): Promise<void> {
  const { seed, linux, light, tally, interrupted, violations } = soaked;
  const directory = mkdtempSync(join(base, 'umbra-soak-'));
  // All that is started inherits it, by which it is known as ours.
  process.env['TMPDIR'] = directory;
  say(`seed ${seed} in ${directory}`);
  const random = new Random(seed);
  const run = new FieldRun({
    directory,
    random,
    withGuestAgent: linux,
    hasHypervisors: !light,
    tally,
    interrupted,
    say,
  });
  const before = violations.length;
  try {
    await soakRounds(run, soaked);
    await run.farewell();
  } catch (error) {
    if (!(error instanceof Interrupted)) {
      violations.push(`seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      say('FAILED: keeping the store, the state of the agent, and logs');
      await run.keep().catch(failed(violations, 'keeping what there is'));
    }
  }
  for (const line of run.meter.trend()) say(`MiB/files of ${line}`);
  await run.end().catch(failed(violations, 'ending everything'));
  await removeAll(directory, { ...soaked, isKept: violations.length > before });
}

async function soakRounds(run: FieldRun, { tally, goesOn }: Soak): Promise<void> {
  for (let rounds = 0; goesOn() && rounds < ROUNDS_OF_A_FIELD; rounds++) {
    const beganMs = performance.now();
    say(`round ${tally.rounds + 1}`);
    await run.round();
    const figures = `${tally.times('shadow copies')} shadow copies, ${tally.times('strikes')} strikes so far`;
    say(`  fine after ${Math.round((performance.now() - beganMs) / 1000)} s; ${figures}; ${run.meter.describe()}`);
  }
}

interface Removal extends Soak {
  /** The directory is, for a look at what was found. */
  readonly isKept: boolean;
}

/** Nothing may be left that runs or is mounted, unless everything was broken off; it is taken away in any case. */
async function removeAll(directory: string, { seed, interrupted, violations, isKept }: Removal): Promise<void> {
  const left = await leftInTheEnd(directory);
  for (const { what, remove } of left) {
    say(`left behind, taken away: ${what}`);
    remove();
  }
  const isFound = left.length > 0 && !interrupted.aborted;
  if (isFound) violations.push(`seed ${seed}: left behind: ${left.map(({ what }) => what).join('; ')}`);
  if (isKept || isFound) say(`what there is is left in ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
}

/** What the soak itself could not do. */
function failed(violations: string[], what: string): (error: unknown) => void {
  return (error) => {
    violations.push(`${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  };
}

function say(line: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

process.exitCode = await main();
