import { LONG_NAME } from '../common/names.js';
import { suggest } from '../common/suggest.js';
import { YamlPart } from '../system/yaml-tree.js';
import { parsePolicy, type Counts } from './parse-policy.js';
import type { HostRules, Policies, Policy, ProtectionGroup } from './policy.js';
import * as values from './values.js';

const MOST_NAMED = 4096;
const MOST_CALENDARS = 100;
const MOST_CONCURRENT = 64;
/** In bytes a second: a region, which is sent as a whole, takes a minute then. */
const LEAST_BANDWIDTH = 64 * 1024;

const FIELDS = ['default', 'policies', 'groups', 'hosts', 'machines'] as const;

/**
 * A document of policies.
 * @param file for messages
 * @param nowMs of the wall clock: from then on a calendar must come
 * @throws {UmbraError} BAD_ARGUMENT with the line, and what to do
 */
export function parsePolicies(text: string, file: string, nowMs: number): Policies {
  return parse(text, file, { calendars: MOST_CALENDARS, nowMs, isKept: false });
}

/**
 * A document that was checked when it was applied. What was right then is right for good: nothing is refused of which the answer
 * depends on the day, as how long it is until a calendar comes next, or whether clocks are set back before.
 * @throws {UmbraError} BAD_ARGUMENT as {@link parsePolicies}
 */
export function parseKeptPolicies(text: string, file: string, nowMs: number): Policies {
  return parse(text, file, { calendars: MOST_CALENDARS, nowMs, isKept: true });
}

function parse(text: string, file: string, counts: Counts): Policies {
  const document = YamlPart.of(text, file);
  const fields = document.fields(FIELDS);
  const policies = named(fields.get('policies'), (part) => parsePolicy(part, counts));
  const policy = (part: YamlPart): string => policyName(part, policies);
  const standard = fields.get('default');
  if (standard === undefined) throw document.wrong('has no default', defaultHint(policies));
  const groups = named(fields.get('groups'), (part) => parseGroup(part, policy));
  refuseTwoGroups(fields.get('groups'));
  return {
    policies,
    default: policy(standard),
    groups,
    hosts: named(fields.get('hosts'), (part) => parseHost(part, policy)),
    machines: named(fields.get('machines'), (part) => {
      const own = part.fields(['policy']).get('policy');
      if (own === undefined) throw part.wrong('has no policy', 'Write "policy: NAME" below it.');
      return { policy: policy(own) };
    }),
  };
}

function defaultHint(policies: Readonly<Record<string, Policy>>): string {
  const [first = 'NAME'] = Object.keys(policies);
  return `Write "default: ${first}": it is for machines that nothing else says a policy for.`;
}

/** A map of which each name is one of ours. */
function named<T>(part: YamlPart | undefined, parse: (part: YamlPart) => T): Readonly<Record<string, T>> {
  const entries = [...(part?.entries() ?? [])];
  if (part !== undefined && entries.length > MOST_NAMED) throw part.wrong(`has more than ${MOST_NAMED} names`);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (LONG_NAME.test(name)) return [name, parse(value)];
      throw value.wrong('is no name', values.NAME_HINT);
    }),
  );
}

function policyName(part: YamlPart, policies: Readonly<Record<string, Policy>>): string {
  const name = values.name(part);
  if (Object.hasOwn(policies, name)) return name;
  const known = Object.keys(policies);
  const meant = suggest(name, known);
  const there = known.length === 0 ? 'There are none below "policies".' : `There are ${known.join(', ')}.`;
  throw part.wrong(
    `is ${JSON.stringify(name)}, and there is no such policy`,
    meant === undefined ? there : `Did you mean "${meant}"? ${there}`,
  );
}

function parseGroup(part: YamlPart, policy: (part: YamlPart) => string): ProtectionGroup {
  const fields = part.fields(['policy', 'machines']);
  const chosen = fields.get('policy');
  if (chosen === undefined) throw part.wrong('has no policy', 'Write "policy: NAME" below it.');
  const machines = (fields.get('machines')?.items() ?? []).map(values.name);
  if (machines.length > MOST_NAMED) throw part.wrong(`has more than ${MOST_NAMED} machines`);
  return { machines, policy: policy(chosen) };
}

function parseHost(part: YamlPart, policy: (part: YamlPart) => string): HostRules {
  const fields = part.fields(['policy', 'concurrent', 'bandwidth']);
  const chosen = fields.get('policy');
  const concurrent = fields.get('concurrent');
  const bandwidth = fields.get('bandwidth');
  return {
    ...(chosen === undefined ? {} : { policy: policy(chosen) }),
    ...(concurrent === undefined ? {} : { concurrent: values.whole(concurrent, 1, MOST_CONCURRENT) }),
    ...(bandwidth === undefined ? {} : { bytesPerSecond: values.rate(bandwidth, LEAST_BANDWIDTH) }),
  };
}

/** A machine in two groups would have two policies. */
function refuseTwoGroups(groups: YamlPart | undefined): void {
  const seen = new Map<string, string>();
  for (const [group, part] of groups?.entries() ?? []) {
    for (const item of part.entries().get('machines')?.items() ?? []) {
      const machine = values.name(item);
      const other = seen.get(machine);
      if (other !== undefined) {
        const twice =
          other === group ? `is ${machine} a second time` : `is ${machine}, which is in the group ${other} too`;
        throw item.wrong(
          twice,
          'Take it out of one; or give it a policy of its own below "machines", which comes first.',
        );
      }
      seen.set(machine, group);
    }
  }
}
