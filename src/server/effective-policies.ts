import type { Policies } from '../policies/policy.js';
import { describeSource, policyOf, type EffectivePolicy } from '../policies/resolve-policy.js';
import type { PlannedMachine, SchedulerParts } from '../scheduler/scheduler-parts.js';

/** What a scheduler has to know of policies. */
export type PolicyParts = Pick<SchedulerParts, 'policyOf' | 'policyNameOf' | 'limitsOf'>;

/** Policies as a scheduler asks for them. Whose is which is found out once: it is asked for all the time. */
export function policyParts(policies: Policies, machines: readonly PlannedMachine[]): PolicyParts {
  const hosts = new Map(machines.map(({ name, host }) => [name, host]));
  const known = new Map<string, EffectivePolicy>();
  const effective = (machine: string): EffectivePolicy => {
    const found = known.get(machine) ?? policyOf(policies, machine, hosts.get(machine));
    known.set(machine, found);
    return found;
  };
  return {
    policyOf: (machine) => effective(machine).policy,
    policyNameOf: (machine) => {
      const { name, source } = effective(machine);
      return `${name} (${describeSource(source)})`;
    },
    limitsOf: (host) => (Object.hasOwn(policies.hosts, host) ? (policies.hosts[host] ?? {}) : {}),
  };
}
