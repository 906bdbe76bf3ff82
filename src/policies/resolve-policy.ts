import { UmbraError } from '../common/errors.js';
import type { Policies, Policy } from './policy.js';

/** Why a policy is a machine's. */
export type PolicySource =
  | { readonly kind: 'machine' }
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'host'; readonly name: string }
  | { readonly kind: 'default' };

export interface EffectivePolicy {
  /** The policy's name. */
  readonly name: string;
  readonly policy: Policy;
  readonly source: PolicySource;
}

/** The policy of a machine: its own, else its group's, else its host's, else the default. */
export function policyOf(policies: Policies, machine: string, host: string | undefined): EffectivePolicy {
  const [name, source] = chosen(policies, machine, host);
  const policy = policies.policies[name];
  // A document of which this is not so was refused.
  if (policy === undefined) throw new UmbraError('INTERNAL', `there is no policy "${name}"`);
  return { name, policy, source };
}

function chosen(policies: Policies, machine: string, host: string | undefined): [string, PolicySource] {
  if (Object.hasOwn(policies.machines, machine)) {
    return [policies.machines[machine]?.policy ?? policies.default, { kind: 'machine' }];
  }
  for (const [name, group] of Object.entries(policies.groups)) {
    if (group.machines.includes(machine)) return [group.policy, { kind: 'group', name }];
  }
  const rules = host !== undefined && Object.hasOwn(policies.hosts, host) ? policies.hosts[host] : undefined;
  if (host !== undefined && rules?.policy !== undefined) return [rules.policy, { kind: 'host', name: host }];
  return [policies.default, { kind: 'default' }];
}

/** For people: `its own`, `group databases`, `host hv1`, `default`. */
export function describeSource(source: PolicySource): string {
  switch (source.kind) {
    case 'machine':
      return 'its own';
    case 'group':
    case 'host':
      return `${source.kind} ${source.name}`;
    case 'default':
      return 'default';
  }
}
