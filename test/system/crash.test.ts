import t from 'tap';
import { CrashRun } from '../kit/trust/crash-run.js';
import { Random, testSeed } from '../kit/random.js';
import { scratch } from '../kit/mount-server.js';

const ROUNDS = 2;

t.test('whatever is killed, what was acknowledged is there and whole', { timeout: 240_000 }, async (t) => {
  const run = new CrashRun(scratch(t), new Random(testSeed(t)));
  t.teardown(() => run.end());
  for (let round = 1; round <= ROUNDS; round++) {
    await run.round();
    t.pass(`round ${round}`);
  }
  t.ok(run.counts.serversKilled > 0, `${run.counts.serversKilled} servers were killed`);
});
