import { isUmbraError } from '../common/errors.js';
import { DEFAULT_POLICY } from '../policies/default-policy.js';
import type { HostLimits, Policies, Policy } from '../policies/policy.js';
import { policyOf } from '../policies/resolve-policy.js';
import { storedJobs } from '../scheduler/job-store.js';
import type { SchedulerParts } from '../scheduler/scheduler-parts.js';
import { Machines } from '../store/machines.js';
import type { Store } from '../store/store.js';

/** What a scheduler goes by in a store. */
export type Planning = Pick<SchedulerParts, 'machines' | 'policyOf' | 'limitsOf' | 'latest' | 'jobs'>;

/** @param store asked for each time: it may be rebuilt */
export function planningOf(store: () => Store): Planning {
  const machines = new Machines(store);
  return {
    machines: () => machines.list(),
    policyOf: (name): Policy => {
      const policies = policiesIn(store());
      const host = machines.list().find((machine) => machine.name === name)?.host;
      return policies === undefined ? DEFAULT_POLICY : policyOf(policies, name, host).policy;
    },
    limitsOf: (host): HostLimits => {
      const hosts = policiesIn(store())?.hosts ?? {};
      return (Object.hasOwn(hosts, host) ? hosts[host] : undefined) ?? {};
    },
    latest: (machine) => store().catalog.latest(machine),
    jobs: storedJobs(() => store().jobs),
  };
}

/** Undefined if they can't be understood: shadow copies are made all the same, as by default. */
function policiesIn(store: Store): Policies | undefined {
  try {
    return store.policies.document().policies;
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}
