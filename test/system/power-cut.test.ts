import t from 'tap';
import { PowerCutRun } from '../kit/trust/power-cut-run.js';
import { Random, testSeed } from '../kit/random.js';
import { scratch } from '../kit/mount-server.js';

const CUTS = 2;

t.test('after a power cut, what was acknowledged is there and whole', { timeout: 240_000 }, async (t) => {
  const run = new PowerCutRun(scratch(t), new Random(testSeed(t)));
  for (let cut = 1; cut <= CUTS; cut++) {
    await run.round();
    t.pass(`cut ${cut}`);
  }
  t.comment(`${run.acknowledged} shadow copies were acknowledged before the cuts`);
});
