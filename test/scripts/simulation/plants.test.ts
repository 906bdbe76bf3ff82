import t from 'tap';
import { FAULT_KINDS, type FaultKind } from '../../../scripts/simulation/options.js';
import { PLANTS, type PlantName } from '../../../scripts/simulation/plants.js';
import { simulate } from '../../../scripts/simulation/simulation.js';
import type { Invariant } from '../../../scripts/simulation/verdict.js';

/** Those that are found within days; the others take weeks, and are tried by hand. */
const SOON: readonly PlantName[] = [
  'run-too-soon',
  'prune-keeps-too-few',
  'collects-too-much',
  'missed-run-lost',
  'index-before-objects',
  'replications-missed',
  'replicas-uncounted',
  'replica-collected',
  'leases-ignored',
];

for (const plant of SOON) {
  void t.test(`a run finds what was planted: ${plant}`, { timeout: 240_000 }, async (t) => {
    const faults = new Set<FaultKind>(FAULT_KINDS);
    const { violation } = await simulate({ machines: 6, days: 60, seed: 1, faults, plant });
    const breaks: readonly Invariant[] = PLANTS[plant].breaks;
    t.ok(violation !== undefined && breaks.includes(violation.invariant), violation?.invariant ?? 'nothing was found');
  });
}
