import t from 'tap';
import { FAULT_KINDS } from '../../../scripts/simulation/options.js';
import { simulate, type SimulationResult } from '../../../scripts/simulation/simulation.js';

function run(seed: number): Promise<SimulationResult> {
  return simulate({ machines: 3, days: 4, seed, faults: new Set(FAULT_KINDS) });
}

void t.test('the same seed is the same run', async (t) => {
  const first = await run(1);
  const second = await run(1);
  t.same(second, first);
  t.ok(first.events > 4, `${first.events} events`);
  t.not((await run(2)).digest, first.digest);
});

// Each has damage, a full disk, a kill or a power cut, and clocks that are set.
for (const seed of [5, 7]) {
  void t.test(`a month of five machines, with all that goes wrong (seed ${seed})`, { timeout: 240_000 }, async (t) => {
    const { violation, events, counts } = await simulate({ machines: 5, days: 30, seed, faults: new Set(FAULT_KINDS) });
    t.equal(violation, undefined);
    t.ok(events > 100, `${events} events`);
    t.ok((counts['replicated'] ?? 0) > 50, `${counts['replicated'] ?? 0} replicas`);
  });
}
