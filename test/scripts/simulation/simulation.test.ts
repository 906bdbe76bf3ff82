import t from 'tap';
import { FAULT_KINDS } from '../../../scripts/simulation/options.js';
import { simulate, type SimulationResult } from '../../../scripts/simulation/simulation.js';
import { testSeed } from '../../kit/random.js';

function run(seed: number, days: number): Promise<SimulationResult> {
  return simulate({ machines: 4, days, seed, faults: new Set(FAULT_KINDS) });
}

void t.test('the same seed is the same run', async (t) => {
  const first = await run(1, 12);
  const second = await run(1, 12);
  t.equal(first.violation, undefined, first.before.join('\n'));
  t.same(second, first);
  t.ok(first.events > 40, `${first.events} events`);
  const other = await run(2, 12);
  t.equal(other.violation, undefined, other.before.join('\n'));
  t.not(other.digest, first.digest);
});

void t.test('a fleet goes through whatever happens', async (t) => {
  const { violation, before, counts, checked } = await run(testSeed(t), 25);
  t.equal(violation, undefined, before.join('\n'));
  t.ok((counts['made'] ?? 0) > 10, `${counts['made'] ?? 0} shadow copies`);
  t.ok(checked['exact bytes'] > 20 && checked['made within its bound'] > 100);
});
