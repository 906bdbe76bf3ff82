import type { WantedConsistency } from '../policies/policy.js';
import type { Consistency } from '../protocol/api.js';

/** From the best on: what one guarantees, those before it guarantee too. A machine that is off has its file systems at rest. */
const BEST_FIRST: readonly Consistency[] = ['offline', 'application', 'filesystem', 'crash', 'none'];

/** True if a shadow copy guarantees what a policy wants. */
export function fulfils(had: Consistency, wanted: WantedConsistency): boolean {
  return BEST_FIRST.indexOf(had) <= BEST_FIRST.indexOf(wanted);
}
