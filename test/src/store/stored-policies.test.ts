import t from 'tap';
import { ObjectType } from '../../../src/codec/formats.js';
import { claimedName } from '../../../src/codec/frame.js';
import { DEFAULT_DOCUMENT } from '../../../src/policies/default-document.js';
import { parsePolicies } from '../../../src/policies/parse-policies.js';
import { encodeFormatRecord } from '../../../src/store/format-record.js';
import { Machines } from '../../../src/store/machines.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import { MAX_POLICIES_CHARACTERS } from '../../../src/store/settings.js';
import { Shares } from '../../../src/store/shares.js';
import type { Store } from '../../../src/store/store.js';
import { StoredPolicies } from '../../../src/store/stored-policies.js';
import { ManualClock } from '../../kit/manual-clock.js';
import {
  makeEmpty,
  memoryDatabases,
  openTestStore,
  replicate,
  TEST_FORMAT,
  type Databases,
} from '../../kit/test-store.js';

const quiet = { signal: new AbortController().signal, progress: () => undefined };
const HOURLY = '# mine\ndefault: a\npolicies: { a: { shadowCopies: { every: 1h } } }\n';
const BY_HOST = 'default: a\npolicies: { a: {}, b: {} }\nhosts: { hv1: { policy: b } }\n';

function policiesOf(store: Store): StoredPolicies {
  return store.policies;
}

/** Damage the newest settings, so that the store finds it when it is opened. */
async function damageSettings({ objects }: Databases): Promise<void> {
  let newest: { key: Uint8Array; value: Buffer } | undefined;
  for await (const [key, frame] of objects.entries()) {
    if (claimedName(frame).type === ObjectType.settings)
      newest = { key: Uint8Array.from(key), value: Buffer.from(frame) };
  }
  if (newest === undefined) throw new TypeError('there are no settings');
  newest.value.writeUInt8(newest.value.readUInt8(60) ^ 1, 60);
  await objects.write([{ type: 'put', ...newest }], { sync: true });
}

t.test(
  'policies are the built-in ones until some are applied, which survive closing, collections and rebuilding',
  async (t) => {
    const databases = memoryDatabases();
    const store = await openTestStore(databases);
    const policies = policiesOf(store);
    const builtIn = policies.document();
    t.match(builtIn, { text: DEFAULT_DOCUMENT, isBuiltIn: true, policies: { default: 'standard' } });
    await policies.apply(HOURLY, builtIn.digest);
    t.match(policies.document(), { text: HOURLY, isBuiltIn: false, policies: { default: 'a' } });
    t.not(policies.document().digest, builtIn.digest);
    await makeEmpty(store, 'web', 5);
    await new Shares(() => store).add({ name: 'data', machine: 'web', path: 'vda1' });
    await new Shares(() => store).remove('data');
    await new Machines(() => store).protect({ name: 'web', host: 'hv1', hostName: 'web', tracker: 'auto' });
    await store.collect(quiet);
    t.equal(policiesOf(await openTestStore(databases)).document().text, HOURLY, 'whatever else is set');
    const { meta } = memoryDatabases();
    await rebuildMeta(databases.objects, meta, quiet);
    t.equal(policiesOf(await openTestStore({ objects: databases.objects, meta })).document().text, HOURLY);
  },
);

t.test('who made them from others than hold now is refused', async (t) => {
  const policies = policiesOf(await openTestStore());
  const { digest } = policies.document();
  const [first, second] = await Promise.allSettled([policies.apply(HOURLY, digest), policies.apply(BY_HOST, digest)]);
  t.equal(first.status, 'fulfilled');
  t.match(second, { status: 'rejected', reason: { code: 'POLICIES_CHANGED', hint: /policy show/ } });
  t.equal(policies.document().text, HOURLY);
  await policies.apply(BY_HOST, undefined);
  t.equal(policies.document().text, BY_HOST, 'who names none is believed');
});

t.test('a machine is in the group of the host that protects it, or that sent its newest shadow copy', async (t) => {
  const store = await openTestStore();
  const policies = policiesOf(store);
  await policies.apply(BY_HOST, undefined);
  await new Machines(() => store).protect({ name: 'db', host: 'hv1', hostName: 'db', tracker: 'auto' });
  await makeEmpty(store, 'lone', 5);
  const session = store.openSession();
  const made = { consistency: 'crash', tracker: 'scan', pauseMs: 0, volumes: [], config: [] } as const;
  await store.commit(session, { machine: 'web', timeMs: 5, host: 'hv1', ...made });
  session.end();
  t.same(await policies.machines(), [
    { machine: 'db', host: 'hv1' },
    { machine: 'lone' },
    { machine: 'web', host: 'hv1' },
  ]);
  t.match(await policies.policyOf('db'), { name: 'b', source: { kind: 'host', name: 'hv1' } });
  t.match(await policies.policyOf('web'), { name: 'b' });
  t.match(await policies.policyOf('lone'), { name: 'a', source: { kind: 'default' } });
  t.match(await policies.policyOf('nobody'), { name: 'a' });
});

t.test('who protects a machine no more leaves it in its group, whatever shadow copies come then', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const machines = new Machines(() => store);
  const policies = policiesOf(store);
  await policies.apply(BY_HOST, undefined);
  for (const name of ['db', 'new']) await machines.protect({ name, host: 'hv1', hostName: name, tracker: 'auto' });
  await makeEmpty(store, 'db', 5);
  for (const name of ['db', 'new']) await machines.unprotect(name);
  await makeEmpty(store, 'db', 6);
  t.match(
    await policies.policyOf('db'),
    { name: 'b', source: { kind: 'host', name: 'hv1' } },
    'an image of an administrator',
  );
  const again = await openTestStore(databases);
  t.match(await policiesOf(again).policyOf('db'), { name: 'b' }, 'the next server knows it, too');
  t.same(again.settings.formerHosts, [{ machine: 'db', host: 'hv1' }], 'of what has no shadow copies nothing is kept');
  await new Machines(() => again).protect({ name: 'db', host: 'hv2', hostName: 'db', tracker: 'auto' });
  t.match(await policiesOf(again).policyOf('db'), { name: 'a' });
  t.equal(again.settings.formerHosts, undefined);
});

t.test('who protected a machine last says which group it is in, not who sent what is there of it', async (t) => {
  const store = await openTestStore();
  const machines = new Machines(() => store);
  await store.policies.apply(BY_HOST, undefined);
  await replicate(store, 'copied', Buffer.alloc(0));
  await store.keepReplica('copied', () => Promise.resolve([]));
  await replicate(store, 'replicated', Buffer.alloc(0));
  t.match(await store.policies.policyOf('copied'), { name: 'b', source: { name: 'hv1' } }, 'its agent sent it');
  for (const name of ['copied', 'replicated']) {
    await machines.protect({ name, host: 'hv2', hostName: name, tracker: 'auto' });
    await machines.unprotect(name);
  }
  t.match(await store.policies.policyOf('copied'), { name: 'a' }, 'moved, without a shadow copy since');
  await store.keepReplica('replicated', () => Promise.resolve([]));
  t.match(await store.policies.policyOf('replicated'), { name: 'a' }, 'of which there was only a replica');
});

t.test('by older policies nothing is deleted when newer ones are damaged', async (t) => {
  const databases = memoryDatabases();
  const before = policiesOf(await openTestStore(databases));
  await before.apply(HOURLY, undefined);
  await before.apply(BY_HOST, undefined);
  await damageSettings(databases);
  let policies = policiesOf(await openTestStore(databases));
  t.equal(policies.document().text, HOURLY, 'what they say of making shadow copies holds');
  t.throws(() => policies.documentToDeleteBy(), { code: 'STORE_DAMAGED', hint: /policy apply/ });
  policies = policiesOf(await openTestStore(databases));
  t.throws(() => policies.documentToDeleteBy(), { code: 'STORE_DAMAGED' }, 'the next server knows it, too');
  await policies.apply(HOURLY, undefined);
  t.equal(policies.documentToDeleteBy().text, HOURLY, 'who says what holds is believed');
  t.equal(policiesOf(await openTestStore(databases)).documentToDeleteBy().text, HOURLY);
});

t.test('of a machine that is protected or not any more, no other one is looked at', async (t) => {
  const store = await openTestStore();
  for (const machine of ['db', 'web']) await makeEmpty(store, machine, 5);
  await policiesOf(store).apply(BY_HOST.replace('b: {}', 'b: { minimumAge: 14d }'), undefined);
  const asked: string[] = [];
  const { settings, catalog } = store;
  const policies = new StoredPolicies(
    {
      settings,
      catalog,
      summaries: (listings) => {
        asked.push(...listings.map(({ machine }) => machine));
        return store.summaries(listings);
      },
      updateSettings: (change) => store.updateSettings(change),
    },
    new ManualClock(),
  );
  const machine = { name: 'web', host: 'hv1', hostName: 'web', tracker: 'auto' } as const;
  const other = { ...machine, name: 'db' };
  const before = { ...settings, machines: [other, machine] };
  const left = await policies.keepProtection(before, { ...settings, machines: [other] }, 7);
  t.same(left.formerMinimums, [{ machine: 'web', minimumAgeMs: 14 * 24 * 3_600_000, untilMs: 7 }]);
  t.same([...new Set(asked)], ['web']);
  const same = { ...settings, machines: [other, { ...machine, tracker: 'scan' }] } as const;
  t.equal(await policies.keepProtection(before, same, 7), same);
});

t.test('what an older version of Umbra found right when it was applied is right on any day', async (t) => {
  const text = `default: a
policies:
  a: { shadowCopies: { daily: '22:00' }, timeZone: Europe/Zurich, dataLoss: 24h }
  b: { shadowCopies: { cron: '*/20 8-17 * * *' }, dataLoss: 1h }
`;
  const noon = Date.parse('2027-06-07T12:00:00Z');
  const databases = memoryDatabases();
  await policiesOf(await openTestStore(databases)).apply(text, undefined);
  // The clocks are set back soon, so that a day has 25 hours; and it is evening, and long until the morning.
  const clock = new ManualClock(Date.parse('2027-10-28T20:00:00Z'));
  for (const atMs of [noon, clock.now()]) {
    t.throws(() => parsePolicies(text, 'policies', atMs), { code: 'BAD_ARGUMENT', message: /policies\.b\.dataLoss/ });
  }
  const later = policiesOf(await openTestStore(databases, undefined, { clock }));
  t.match(later.documentToDeleteBy(), { text, policies: { policies: { b: { dataLossMs: 60 * 60_000 } } } });
});

t.test('policies that nobody understands are read once, however often they are asked for', async (t) => {
  const databases = memoryDatabases();
  const policies = policiesOf(await openTestStore(databases));
  await policies.apply('default: nowhere\n', undefined);
  const errors = [1, 2].map(() => {
    try {
      return policies.document();
    } catch (error) {
      return error;
    }
  });
  t.match(errors[0], { code: 'STORE_DAMAGED' });
  t.equal(errors[1], errors[0]);
  await policies.apply(HOURLY, undefined);
  t.equal(policies.document().text, HOURLY);
});

t.test('policies that this version does not understand are named, and can be replaced', async (t) => {
  for (const stored of [
    'default: a\npolicies: { a: { shadowCopies: { moons: 2 } } }\n',
    5,
    'x'.repeat(MAX_POLICIES_CHARACTERS + 1),
  ]) {
    const databases = memoryDatabases();
    const store = await openTestStore(databases);
    const session = store.openSession();
    const text = JSON.stringify({ ...(JSON.parse(encodeFormatRecord(TEST_FORMAT)) as object), policies: stored });
    await session.addLast(ObjectType.settings, Buffer.from(text));
    await session.barrier();
    session.end();
    const policies = policiesOf(await openTestStore(databases));
    t.throws(() => policies.documentToDeleteBy(), { code: 'STORE_DAMAGED', hint: /policy apply/ });
    await policies.apply(HOURLY, undefined);
    t.equal(policies.documentToDeleteBy().text, HOURLY);
  }
});
