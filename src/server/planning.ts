import { isUmbraError } from '../common/errors.js';
import { BUILT_IN_POLICIES } from '../policies/default-policy.js';
import type { Policies } from '../policies/policy.js';
import { storedJobs } from '../scheduler/job-store.js';
import type { PlannedMachine, SchedulerParts } from '../scheduler/scheduler-parts.js';
import { Machines } from '../store/machines.js';
import type { Store } from '../store/store.js';
import { policyParts, type PolicyParts } from './effective-policies.js';

/** What a scheduler goes by in a store. */
export interface Planning extends Pick<SchedulerParts, 'machines' | 'latest' | 'upToDate' | 'jobs'>, PolicyParts {
  /** As the store's. */
  readonly endedReplicas: () => number;
}

/** @param store asked for each time: it may be rebuilt */
export function planningOf(store: () => Store): Planning {
  const machines = new Machines(store);
  const parts = whileTheyHold(store, () => machines.list());
  return {
    machines: () => machines.list(),
    latest: (machine) => store().newest(machine),
    upToDate: (machine) => store().upToDate(machine),
    endedReplicas: () => store().endedReplicas,
    jobs: storedJobs(() => store().jobs),
    policyOf: (machine) => parts().policyOf(machine),
    policyNameOf: (machine) => parts().policyNameOf(machine),
    limitsOf: (host) => parts().limitsOf(host),
  };
}

/** The policies that hold, looked at again when they are others, or the machines are. */
function whileTheyHold(store: () => Store, machines: () => readonly PlannedMachine[]): () => PolicyParts {
  let known: { policies: Policies; machines: readonly PlannedMachine[]; parts: PolicyParts } | undefined;
  return () => {
    const policies = policiesOf(store());
    const now = machines();
    if (known?.policies !== policies || known.machines !== now) {
      known = { policies, machines: now, parts: policyParts(policies, now) };
    }
    return known.parts;
  };
}

/** Those that nobody can read any more stop no shadow copies: the built-in ones make them until somebody says what holds. */
function policiesOf(store: Store): Policies {
  try {
    return store.policies.document().policies;
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return BUILT_IN_POLICIES;
    throw error;
  }
}
