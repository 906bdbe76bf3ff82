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
    const run = new FleetRun(temporaryDirectory(t), new Random(testSeed(t)));
    t.teardown(() => run.end());
    await run.start();
    // Several at once take a round together, but for full disks.
    const sudden = run.strikes.filter(({ lasts }) => lasts !== true).slice(0, -1);
    const lasting = run.strikes.filter(({ lasts }) => lasts === true);
    const rounds = [sudden.slice(0, 3), sudden.slice(3)].map(together);
    for (const strike of [...rounds, ...lasting]) {
      await run.round(strike);
      t.pass(strike.name);
    }
    await run.verify();
    t.equal(run.counts.size, rounds.length + lasting.length);
  },
);
