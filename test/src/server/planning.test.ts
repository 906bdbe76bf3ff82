import t from 'tap';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import { planningOf } from '../../../src/server/planning.js';
import { Machines } from '../../../src/store/machines.js';
import { openTestStore } from '../../kit/test-store.js';

const POLICIES = `default: a
policies: { a: { shadowCopies: { every: 1h } }, b: { shadowCopies: { every: 2h } }, c: { shadowCopies: { every: 3h } } }
hosts: { hv1: { policy: b, concurrent: 5 } }
groups: { few: { machines: [db], policy: c } }
`;

t.test('a machine is planned for by the policy that is its own', async (t) => {
  const store = await openTestStore();
  const planning = planningOf(() => store);
  for (const [name, host] of [
    ['web', 'hv1'],
    ['db', 'hv1'],
    ['mail', 'hv2'],
  ] as const) {
    await new Machines(() => store).protect({ name, host, hostName: name, tracker: 'auto' });
  }
  t.same(planning.policyOf('web'), DEFAULT_POLICY);
  t.same(planning.limitsOf('hv1'), {});
  await store.policies.apply(POLICIES, undefined);
  const hours = (machine: string): unknown => planning.policyOf(machine).shadowCopies;
  for (const [machine, every] of [
    ['web', 2],
    ['db', 3],
    ['mail', 1],
  ] as const) {
    t.same(hours(machine), { kind: 'interval', everyMs: every * 3_600_000 });
  }
  t.match(planning.limitsOf('hv1'), { concurrent: 5 });
  t.same(planning.limitsOf('hv2'), {});
  t.same(planning.limitsOf('constructor'), {});
});

t.test('policies that nobody understands keep no machine from its shadow copies', async (t) => {
  const store = await openTestStore();
  const planning = planningOf(() => store);
  await store.updateSettings((settings) => ({ ...settings, policies: 'of another: [version' }));
  t.same(planning.policyOf('web'), DEFAULT_POLICY);
  t.same(planning.limitsOf('hv1'), {});
});
