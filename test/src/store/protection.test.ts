import t from 'tap';
import { Machines } from '../../../src/store/machines.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import type { Store } from '../../../src/store/store.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { makeEmpty, memoryDatabases, openTestStore } from '../../kit/test-store.js';

const DAY_MS = 86_400_000;
const quiet = { signal: new AbortController().signal, progress: () => undefined };

/** A clock of which only the wall can be set. */
class SetClock extends ManualClock {
  setMs = 0;

  override now(): number {
    return super.now() + this.setMs;
  }
}

function minimum(days: number): string {
  return `default: a\npolicies: { a: { minimumAge: ${days === 0 ? 0 : `${days}d`} } }\n`;
}

async function forgetNamed(store: Store, name: string): Promise<void> {
  await store.forget(store.catalog.find('web', name));
}

const PROTECTED = { code: 'SHADOW_COPY_PROTECTED' };

t.test('nobody deletes what is younger than its policy says, whatever the wall clock says', async (t) => {
  const clock = new SetClock();
  const databases = memoryDatabases();
  const boot = (): { id: string; uptimeMs: number } => ({ id: 'boot', uptimeMs: clock.monotonic() });
  const open = (): Promise<Store> => openTestStore(databases, undefined, { clock, boot });
  let store = await open();
  await store.policies.apply(minimum(7), undefined);
  const name = await makeEmpty(store, 'web', clock.now());
  await makeEmpty(store, 'web', clock.now());
  clock.advance(6.5 * DAY_MS);
  await t.rejects(forgetNamed(store, name), {
    ...PROTECTED,
    message: `web@${name} is protected until 2026-11-29 10:15 UTC, for another 12h`,
  });
  clock.setMs = 365 * DAY_MS;
  await t.rejects(forgetNamed(store, name), PROTECTED, 'set forward');
  store = await open();
  await t.rejects(forgetNamed(store, name), PROTECTED, 'set forward, and another server');
  clock.setMs = -365 * DAY_MS;
  await t.rejects(forgetNamed(store, name), PROTECTED);
  clock.advance(0.5 * DAY_MS);
  await forgetNamed(store, name);
  t.equal(store.catalog.shadowCopies('web').length, 1);
});

t.test('a policy that asks for less frees nothing of before; one that asks for more protects it', async (t) => {
  const clock = new ManualClock();
  const databases = memoryDatabases();
  const boot = (): { id: string; uptimeMs: number } => ({ id: 'boot', uptimeMs: clock.monotonic() });
  let store = await openTestStore(databases, undefined, { clock, boot });
  await store.policies.apply(minimum(7), undefined);
  const first = await makeEmpty(store, 'web', clock.now());
  await store.policies.apply(minimum(0), undefined);
  clock.advance(1000);
  const second = await makeEmpty(store, 'web', clock.now());
  await t.rejects(forgetNamed(store, first), PROTECTED, 'as when it was made');
  await store.policies.apply(minimum(30), undefined);
  await t.rejects(forgetNamed(store, second), PROTECTED, 'as it is now');
  clock.advance(20 * DAY_MS);
  await store.policies.apply(minimum(0), undefined);
  clock.advance(1000);
  const third = await makeEmpty(store, 'web', clock.now());
  await forgetNamed(store, third);
  clock.advance(9 * DAY_MS);
  await t.rejects(forgetNamed(store, second), PROTECTED, 'as it was in between');
  const { meta } = memoryDatabases();
  await rebuildMeta(databases.objects, meta, quiet);
  store = await openTestStore({ objects: databases.objects, meta }, undefined, { clock, boot });
  await t.rejects(forgetNamed(store, second), PROTECTED, 'a rebuild does not free it');
  clock.advance(60 * DAY_MS);
  await makeEmpty(store, 'web', clock.now());
  for (const name of [first, second]) await forgetNamed(store, name);
  await store.policies.apply(minimum(1), undefined);
  t.equal(store.settings.formerMinimums, undefined, 'what matters no more is not remembered');
});

t.test('the record says it also when the settings are lost', async (t) => {
  const clock = new ManualClock();
  const clocks = { clock, boot: () => ({ id: 'boot', uptimeMs: 0 }) };
  const store = await openTestStore(memoryDatabases(), undefined, clocks);
  await store.policies.apply(minimum(7), undefined);
  const name = await makeEmpty(store, 'web', clock.now());
  await store.updateSettings(({ policies: _policies, ...settings }) => settings);
  await store.updateSettings(({ formerMinimums: _formers, ...settings }) => settings);
  t.equal(store.settings.formerMinimums, undefined);
  await t.rejects(forgetNamed(store, name), PROTECTED);
});

t.test('another host for a machine does not free what is stored', async (t) => {
  const store = await openTestStore();
  const machines = new Machines(() => store);
  const web = { name: 'web', hostName: 'web', tracker: 'auto' } as const;
  await machines.protect({ ...web, host: 'hv1' });
  const document = 'default: a\npolicies: { a: {}, b: { minimumAge: 7d } }\nhosts: { hv1: { policy: b } }\n';
  await makeEmpty(store, 'web', Date.now());
  await store.policies.apply(document, undefined);
  const name = store.catalog.latest('web')?.name ?? '';
  t.equal(store.catalog.latest('web')?.minimumAgeMs, undefined, 'its record says nothing');
  await machines.protect({ ...web, host: 'hv2' });
  t.match(store.settings.formerMinimums, [{ machine: 'web', minimumAgeMs: 7 * DAY_MS }]);
  await t.rejects(forgetNamed(store, name), PROTECTED);
  await machines.unprotect('web');
  await t.rejects(forgetNamed(store, name), PROTECTED);
});

t.test('shadow copies of before there was a trusted time are as old as their times say', async (t) => {
  const clock = new ManualClock();
  const store = await openTestStore(memoryDatabases(), undefined, { clock, boot: () => ({ id: '', uptimeMs: 0 }) });
  await store.policies.apply(minimum(7), undefined);
  const ages = { old: 8, young: 6, future: -100 };
  const protects = async (days: number): Promise<boolean> => {
    const timeMs = clock.now() - days * DAY_MS;
    const listing = { machine: 'web', name: 'x', timeMs, record: new Uint8Array(), order: 1 };
    return await store.assertUnprotected(listing).then(
      () => false,
      () => true,
    );
  };
  t.same([await protects(ages.old), await protects(ages.young), await protects(ages.future)], [false, true, true]);
  clock.advance(7 * DAY_MS);
  t.same(await protects(ages.future), false, 'one of a clock that was wrong as if it came when that time began');
});

t.test(
  'while the policies can not be understood nothing is deleted, and what is made is protected as what was made before',
  async (t) => {
    const store = await openTestStore();
    await store.policies.apply(minimum(7), undefined);
    const name = await makeEmpty(store, 'web', 5);
    await store.policies.apply('default: none\n', undefined);
    await t.rejects(forgetNamed(store, name), { code: 'STORE_DAMAGED', hint: /policy apply/ });
    await makeEmpty(store, 'web', 6);
    t.match(store.catalog.latest('web'), { minimumAgeMs: 7 * DAY_MS });
    await makeEmpty(store, 'other', 6);
    t.equal(store.catalog.latest('other')?.minimumAgeMs, undefined);
  },
);

t.test('how long a shadow copy was there for goes on, whatever the wall clock says', async (t) => {
  const clock = new SetClock();
  const boot = (): { id: string; uptimeMs: number } => ({ id: 'boot', uptimeMs: clock.monotonic() });
  const store = await openTestStore(memoryDatabases(), undefined, { clock, boot });
  t.equal(store.newest('web'), undefined);
  await makeEmpty(store, 'web', clock.now());
  clock.setMs = -300 * DAY_MS;
  clock.advance(2 * DAY_MS);
  t.equal(store.newest('web')?.leastAgeMs, 2 * DAY_MS);
});
