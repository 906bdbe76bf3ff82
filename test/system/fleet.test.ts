import t from 'tap';
import { FleetRun } from '../kit/trust/fleet-run.js';
import { together } from '../kit/trust/fleet/strikes.js';
import { Random, testSeed } from '../kit/random.js';
import { temporaryDirectory } from '../kit/temporary.js';

const LIMIT_MS = 900_000;

// How tap is told, here and where this file is run, that it may take longer than others: on a busy machine each round takes a minute.
t.setTimeout(LIMIT_MS);
t.comment(`timeout=${LIMIT_MS}`);

t.test(
  'whatever fails in the midst of a backup, the next one is exact and nothing is left',
  { timeout: LIMIT_MS },
  async (t) => {
    const random = new Random(testSeed(t));
    const run = new FleetRun(temporaryDirectory(t), random);
    t.teardown(() => run.end());
    await run.start();
    // Several at once take a round together, half of them in each run; and one of both disks is full. scripts/crash --agents has all.
    const sudden = run.strikes.filter(({ lasts }) => lasts !== true).slice(0, -1);
    const full = run.strikes.filter(({ lasts }) => lasts === true);
    const lasting = full.slice(random.below(full.length)).slice(0, 1);
    const rounds = [sudden.slice(0, 4), sudden.slice(4)].slice(random.below(2)).slice(0, 1).map(together);
    for (const strike of [...rounds, ...lasting]) {
      await run.round(strike);
      t.pass(strike.name);
    }
    await run.verify();
    t.equal(run.counts.size, rounds.length + lasting.length);
  },
);
