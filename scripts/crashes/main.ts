import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CrashRun } from '../../test/kit/trust/crash-run.js';
import { FleetRun } from '../../test/kit/trust/fleet-run.js';
import { PowerCutRun } from '../../test/kit/trust/power-cut-run.js';
import { Random } from '../../test/kit/random.js';
import { endsAfterRound } from './interruption.js';
import { HELP, parseOptions, type CrashOptions } from './options.js';

/** A store, or a fleet, is used for so many rounds; then a new one begins with the next seed. */
const ROUNDS_OF_A_STORE = 20;

/** A store with what is done to it. */
interface Run {
  round(): Promise<void>;
  describe(): string;
  end(): Promise<void>;
}

function makeRun(directory: string, seed: number, { powerCuts, agents }: CrashOptions): Run {
  const random = new Random(seed);
  if (agents) return fleetRun(directory, random);
  if (powerCuts) {
    const run = new PowerCutRun(directory, random);
    return {
      round: () => run.round(),
      describe: () => `${run.acknowledged} shadow copies acknowledged before cuts`,
      end: () => Promise.resolve(),
    };
  }
  const run = new CrashRun(directory, random);
  return {
    round: () => run.round(),
    describe: () => `killed: ${run.counts.serversKilled} servers, ${run.counts.commandsKilled} commands`,
    end: () => run.end(),
  };
}

function fleetRun(directory: string, random: Random): Run {
  const run = new FleetRun(directory, random, true);
  return {
    round: async () => {
      await run.round();
      await run.verify();
    },
    describe: () => [...run.counts].map(([kind, count]) => `${kind}: ${count}`).join(', '),
    end: () => run.end(),
  };
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), () => Math.floor(Math.random() * 2 ** 32));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  return await crash(options, endsAfterRound());
}

async function crash(options: CrashOptions, interrupted: AbortSignal): Promise<number> {
  const { rounds, minutes, seed } = options;
  const endMs = performance.now() + minutes * 60_000;
  const goesOn = (round: number): boolean => round < rounds && performance.now() < endMs && !interrupted.aborted;
  let round = 0;
  for (let storeSeed = seed; goesOn(round); storeSeed++) {
    const directory = mkdtempSync(join(tmpdir(), 'umbra-crash-'));
    const run = makeRun(directory, storeSeed, options);
    process.stdout.write(`store with seed ${storeSeed} in ${directory}\n`);
    try {
      for (let of = 0; of < ROUNDS_OF_A_STORE && goesOn(round); of++) {
        await run.round();
        process.stdout.write(`round ${++round}: fine (${run.describe()})\n`);
      }
    } catch (error) {
      process.stdout.write(`round ${round + 1} with seed ${storeSeed} FAILED; the store is left in ${directory}\n`);
      throw error;
    } finally {
      await run.end();
    }
    rmSync(directory, { recursive: true, force: true });
  }
  return 0;
}

process.exitCode = await main();
