import t from 'tap';
import { FAULT_KINDS, type FaultKind } from '../../../scripts/simulation/options.js';
import { PLANTS, type PlantName } from '../../../scripts/simulation/plants.js';
import { simulate } from '../../../scripts/simulation/simulation.js';
import type { Invariant } from '../../../scripts/simulation/verdict.js';

const CASES: readonly (readonly [PlantName, seed: number])[] = [];

for (const [name, seed] of CASES) {
  void t.test(`a run finds what was planted: ${name}`, { timeout: 240_000 }, async (t) => {
    const faults = new Set<FaultKind>(FAULT_KINDS);
    const { violation } = await simulate({ machines: 4, days: 40, seed, faults, plant: name });
    const breaks: readonly Invariant[] = PLANTS[name].breaks;
    t.ok(violation !== undefined && breaks.includes(violation.invariant), violation?.invariant ?? 'nothing was found');
  });
}
