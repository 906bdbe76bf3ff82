import t, { type Test } from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import type { SuddenVolumeChange, VolumeChange } from '../../../src/store/shadow-copy-change.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import { rememberedChanges } from '../../../src/store/change-history.js';
import { changeKey, changeRange } from '../../../src/store/keys.js';
import type { Store } from '../../../src/store/store.js';
import { kvWith } from '../../kit/kv-with.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { QUIET } from '../../kit/store-model.js';
import { memoryDatabases, openTestStore, type Databases } from '../../kit/test-store.js';

const MIB = 1024 ** 2;
const HOUR = 3_600_000;
const clock = new ManualClock();
const clocks = { clock, boot: () => ({ id: 'boot', uptimeMs: clock.monotonic() }) };

function volumeChange(mib: number, name = 'vda'): VolumeChange {
  const bytes = mib * MIB;
  return { name, comparedBytes: 400 * MIB, changedBytes: bytes, storedBytes: bytes, incompressibleBytes: bytes };
}

/** Make a shadow copy with which so much changed. @returns its name, and whether it was too much */
async function make(
  store: Store,
  mib: number,
  machine = 'web1',
): Promise<{ name: string; sudden: SuddenVolumeChange | undefined }> {
  clock.advance(4 * HOUR);
  const session = store.openSession();
  const made = { consistency: 'crash', tracker: 'scan', pauseMs: 0, volumes: [], config: [] } as const;
  const changes = [volumeChange(mib / 4, 'vda'), volumeChange((mib * 3) / 4, 'vdb')];
  const { name, change } = await store.commit(session, { machine, timeMs: clock.now(), changes, ...made });
  session.end();
  return { name, sudden: change?.sudden };
}

/** A store with a machine that has changed as usual seven times. */
async function usualStore(databases: Databases = memoryDatabases()): Promise<{ store: Store; names: string[] }> {
  const store = await openTestStore(databases, undefined, clocks);
  const names: string[] = [];
  for (let index = 0; index < 8; index += 1) names.push((await make(store, 4)).name);
  return { store, names };
}

function forget(store: Store, name: string): Promise<boolean> {
  return store.forget(store.catalog.find('web1', name));
}

const HELD = { code: 'SHADOW_COPY_HELD', hint: /umbra acknowledge web1/ };

t.test('from a sudden change on, what is older is kept until somebody has acknowledged it', async (t) => {
  const { store, names } = await usualStore();
  t.same(store.changes.holds(), []);
  const { name, sudden } = await make(store, 200);
  t.match(sudden, { kind: 'incompressible', bytes: 200 * MIB, usualBytes: 4 * MIB, volume: 'vdb' });
  t.match(store.changes.holds(), [{ machine: 'web1', name }]);
  const later = await make(store, 4);
  t.equal(later.sudden, undefined);
  for (const kept of [...names, name]) await t.rejects(forget(store, kept), HELD, kept);
  await forget(store, later.name);
  await t.rejects(store.changes.acknowledge('web2', 'anna'), { code: 'NOT_FOUND' });
  t.match(await store.changes.acknowledge('web1', 'the administrator anna'), { name });
  t.same(store.changes.holds(), []);
  await t.rejects(store.changes.acknowledge('web1', 'anna'), { code: 'BAD_ARGUMENT', hint: /umbra status/ });
  await forget(store, names[0] ?? '');
  await forget(store, name);
  t.match(store.settings.acknowledged, [{ machine: 'web1', by: 'the administrator anna', atMs: clock.now() }]);
});

t.test(
  'who comes late to delete what is gone deletes nothing: what is usual for a machine is known as long as it has a shadow copy',
  async (t) => {
    const { store, names } = await usualStore();
    const first = store.catalog.find('web1', names[0] ?? '');
    t.same(await Promise.all([store.forget(first), store.forget(first)]), [true, false]);
    for (const name of names.slice(1, -1)) t.equal(await forget(store, name), true);
    t.equal(await store.forget(first), false);
    t.ok((await make(store, 200)).sudden);
  },
);

t.test('an attack that is repeated does not become usual; one that is acknowledged may', async (t) => {
  const { store } = await usualStore();
  for (let index = 0; index < 12; index += 1) t.ok((await make(store, 150)).sudden, `attack ${index}`);
  t.ok((await make(store, 150)).sudden, 'the last as the first');
  await store.changes.acknowledge('web1', 'anna');
  t.equal((await make(store, 150)).sudden, undefined, 'now it is usual');
  t.same(store.changes.holds(), []);
});

t.test('it holds after a restart, a rebuild and a server that was killed before it was listed', async (t) => {
  const databases = memoryDatabases();
  const { store, names } = await usualStore(databases);
  const { name } = await make(store, 200);
  const reopened = await openTestStore(databases, undefined, clocks);
  await t.rejects(forget(reopened, names[0] ?? ''), HELD);

  const meta = openMemoryKv();
  await rebuildMeta(databases.objects, meta, QUIET);
  const rebuilt = await openTestStore({ objects: databases.objects, meta }, undefined, clocks);
  t.match(rebuilt.changes.holds(), [{ name, sudden: { volume: 'vdb', bytes: 200 * MIB } }]);
  await t.rejects(forget(rebuilt, names[0] ?? ''), HELD);
  const changes = (await rememberedChanges(meta, 'web1')).map(({ changedBytes, isSudden }) => [
    changedBytes / MIB,
    isSudden,
  ]);
  t.same(changes, [...Array.from({ length: 7 }, () => [4, false]), [200, true]], 'and what is usual is known');
  await rebuilt.changes.acknowledge('web1', 'anna');
  t.same((await openTestStore({ objects: databases.objects, meta }, undefined, clocks)).changes.holds(), []);

  await dieBeforeListing(t, 200);
});

/** The record is durable, its listing is not: the next process lists it, and keeps what is older. */
async function dieBeforeListing(t: Test, mib: number): Promise<void> {
  const databases = memoryDatabases();
  const { names } = await usualStore(databases);
  let dies = false;
  const meta = kvWith(databases.meta, {
    write: (operations, options) =>
      dies && operations.some(({ key }) => key[0] === 0x63)
        ? Promise.reject(new UmbraError('STORE_FAILED', 'killed'))
        : databases.meta.write(operations, options),
  });
  const dying = await openTestStore({ objects: databases.objects, meta }, undefined, clocks);
  dies = true;
  await t.rejects(make(dying, mib), { message: 'killed' });
  const next = await openTestStore(databases, undefined, clocks);
  t.equal(next.catalog.shadowCopies('web1').length, 9);
  await t.rejects(forget(next, names[0] ?? ''), HELD);
  t.equal((await rememberedChanges(databases.meta, 'web1')).at(-1)?.isSudden, true);
}

t.test('its policy turns it off, and policies in doubt do not', async (t) => {
  const { store } = await usualStore();
  const off = 'default: a\npolicies:\n  a: { suddenChange: off }\n';
  await store.policies.apply(off, undefined);
  t.equal((await make(store, 200)).sudden, undefined);
  await store.updateSettings((settings) => ({ ...settings, policiesInDoubt: true }));
  t.ok((await make(store, 300)).sudden);
  await store.updateSettings(({ policiesInDoubt: _doubt, ...settings }) => ({ ...settings, policies: '{' }));
  t.ok((await make(store, 300)).sudden, 'nor those that cannot be understood');
});

t.test(
  'what changed long ago is forgotten, and so is a machine that is gone; damage is as if it were not there',
  async (t) => {
    const databases = memoryDatabases();
    const { store } = await usualStore(databases);
    for (let index = 0; index < 30; index += 1) await make(store, 4);
    clock.advance(40 * 24 * HOUR);
    await make(store, 4);
    const kept = await rememberedChanges(databases.meta, 'web1');
    t.equal(kept.length, 31, 'thirty of before');
    await databases.meta.write(
      [{ type: 'put', key: changeKey('web1', kept[0]?.order ?? 0), value: Buffer.from('damaged') }],
      { sync: true },
    );
    t.equal((await rememberedChanges(databases.meta, 'web1')).length, 30);
    for (const listing of store.catalog.shadowCopies('web1')) await store.forget(listing);
    const left: unknown[] = [];
    for await (const key of databases.meta.keys(changeRange('web1'))) left.push(key);
    t.equal(left.length, 1, 'the damaged one');
  },
);
