import t from 'tap';
import { DEFAULT_DOCUMENT } from '../../../src/policies/default-document.js';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import { parsePolicies } from '../../../src/policies/parse-policies.js';
import { policyParts } from '../../../src/server/effective-policies.js';
import { planningOf } from '../../../src/server/planning.js';
import { Machines } from '../../../src/store/machines.js';
import { backUp, openTestStore } from '../../kit/test-store.js';

const DOCUMENT = `
default: often
policies:
  often: { shadowCopies: { every: 15min } }
  nightly: { shadowCopies: { daily: ["22:00"] }, timeZone: Europe/Zurich }
hosts:
  hv1: { policy: nightly, concurrent: 5 }
machines:
  web: { policy: often }
`;

void t.test('the policies that hold, from the moment on in which they do', async (t) => {
  const store = await openTestStore();
  const machines = new Machines(() => store);
  for (const name of ['web', 'db']) await machines.protect({ name, host: 'hv1', hostName: name, tracker: 'auto' });
  const planning = planningOf(() => store);
  t.match(planning.machines(), [{ name: 'db' }, { name: 'web' }]);
  t.match(planning.policyOf('db'), DEFAULT_POLICY, 'the built-in one');
  t.same(planning.limitsOf('hv1'), {});
  await store.policies.apply(DOCUMENT, undefined);
  const named = (): string[] => ['web', 'db'].map((machine) => planning.policyNameOf(machine));
  t.same(named(), ['often (its own)', 'nightly (host hv1)']);
  t.match(planning.policyOf('db'), { shadowCopies: { kind: 'calendar' }, timeZone: 'Europe/Zurich' });
  t.match([planning.limitsOf('hv1'), planning.limitsOf('hv2')], [{ concurrent: 5 }, {}]);
  await machines.protect({ name: 'db', host: 'hv2', hostName: 'db', tracker: 'auto' });
  t.same(named(), ['often (its own)', 'often (default)'], 'it has moved');
  await store.policies.apply(DEFAULT_DOCUMENT, undefined);
  t.same(named(), ['standard (default)', 'standard (default)']);
  t.equal(planning.latest('db'), undefined);
  const { name } = await backUp(store, 'db', Buffer.alloc(4096, 1));
  t.match(planning.latest('db'), { name });
});

void t.test('policies that nobody understands stop no shadow copies', async (t) => {
  const store = await openTestStore();
  await store.updateSettings((settings) => ({ ...settings, policies: 'from: the future' }));
  const planning = planningOf(() => store);
  t.throws(() => store.policies.document(), { code: 'STORE_DAMAGED' });
  t.same(planning.policyOf('web'), DEFAULT_POLICY);
  t.same(planning.limitsOf('hv1'), {});
});

void t.test('whose policy is which is found out once, not each time', async (t) => {
  const machines = Array.from({ length: 3 }, (_, index) => ({ name: `m${index}`, host: 'hv1' }));
  const policies = parsePolicies(DOCUMENT, 'policies', 0);
  let asked = 0;
  const groups = new Proxy(policies.groups, {
    ownKeys: (target) => {
      asked += 1;
      return Reflect.ownKeys(target);
    },
  });
  const parts = policyParts({ ...policies, groups }, machines);
  for (let round = 0; round < 10; round++) for (const { name } of machines) parts.policyOf(name);
  t.equal(asked, 3);
});
