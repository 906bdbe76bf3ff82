import t from 'tap';
import { ObjectType } from '../../../src/codec/formats.js';
import { claimedName } from '../../../src/codec/frame.js';
import { UmbraError } from '../../../src/common/errors.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import { quarantinedSettings } from '../../../src/store/settings.js';
import { Shares } from '../../../src/store/shares.js';
import type { Store } from '../../../src/store/store.js';
import { kvWith } from '../../kit/kv-with.js';
import { backUp, type Databases, memoryDatabases, openTestStore } from '../../kit/test-store.js';

const quiet = { signal: new AbortController().signal, progress: () => undefined };
const DATA = { name: 'data', machine: 'web', path: 'vda1/srv/data' };
const HOME = { name: 'Home', machine: 'web', path: 'vda2' };
const DAMAGED = { code: 'STORE_DAMAGED', message: /nothing is shared/ };

/** A store whose newest settings say that `data` is shared no more. */
async function storeWithRemoved(): Promise<{ readonly databases: Databases; readonly store: Store }> {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'web', Buffer.alloc(4096, 1));
  const shares = new Shares(() => store);
  await shares.add(HOME);
  await shares.add(DATA);
  await shares.remove('data');
  await shares.add({ ...DATA, name: 'other' });
  await shares.remove('other');
  await shares.add({ ...DATA, name: 'last' });
  return { databases, store };
}

/** Flip a bit of settings: the newest, or so many before them. */
async function damageSettings({ objects }: Databases, before = 0): Promise<void> {
  const frames: [Uint8Array, Uint8Array][] = [];
  for await (const [key, frame] of objects.entries()) {
    if (claimedName(frame).type === ObjectType.settings) frames.push([Uint8Array.from(key), Uint8Array.from(frame)]);
  }
  const [key, frame] = frames.at(-1 - before) ?? [];
  if (key === undefined || frame === undefined) throw new TypeError('there are no such settings');
  frame[60] = (frame[60] ?? 0) ^ 1;
  await objects.write([{ type: 'put', key, value: frame }], { sync: true });
}

t.test('a share that was removed does not come back when the newest settings are damaged', async (t) => {
  const { databases } = await storeWithRemoved();
  await damageSettings(databases);
  let store = await openTestStore(databases);
  t.same(store.settings.shares, []);
  t.throws(() => new Shares(() => store).list(), { ...DAMAGED, hint: /share add/ });
  t.match(store.settings.lost, [HOME]);
  await store.collect(quiet);
  store = await openTestStore(databases);
  t.throws(() => new Shares(() => store).list(), DAMAGED, 'also when what was damaged is gone');
  t.throws(() => new Shares(() => store).list(), { message: /before that there were: Home \(web:\/vda2\)/ });
  await new Shares(() => store).add(HOME);
  store = await openTestStore(databases);
  t.same(new Shares(() => store).list(), [HOME], 'who says what is shared is believed');
});

t.test('to say that nothing is shared, one of them is removed', async (t) => {
  const { databases } = await storeWithRemoved();
  await damageSettings(databases);
  const store = await openTestStore(databases);
  const shares = new Shares(() => store);
  await t.rejects(shares.remove('data'), { code: 'NOT_FOUND' });
  t.same(await shares.remove('home'), HOME);
  t.same(shares.list(), []);
  const again = await openTestStore(databases);
  t.same(new Shares(() => again).list(), []);
});

t.test('older settings may be damaged', async (t) => {
  const { databases, store } = await storeWithRemoved();
  await damageSettings(databases, 1);
  const again = await openTestStore(databases);
  t.same(again.settings, store.settings);
  const { shares } = again.settings;
  t.equal(shares.length, 2);
});

t.test('a running server writes damaged settings again', async (t) => {
  const { databases, store } = await storeWithRemoved();
  const { shares } = store.settings;
  await damageSettings(databases);
  await store.mendSettings();
  t.same((await openTestStore(databases)).settings, { shares, machines: [] });
  await damageSettings(databases);
  await store.collect(quiet);
  t.same((await openTestStore(databases)).settings, { shares, machines: [] }, 'a collection too');
});

t.test('settings in quarantine are remembered', async (t) => {
  for (const before of [0, 1]) {
    const { databases, store } = await storeWithRemoved();
    await damageSettings(databases, before);
    await quarantine(store);
    t.equal((await quarantinedSettings(databases.meta)).length, 1);
    const again = await openTestStore(databases);
    if (before === 0) t.throws(() => new Shares(() => again).list(), DAMAGED);
    else t.same(again.settings, store.settings);
    await new Shares(() => again).add(DATA);
    t.match(
      (await openTestStore(databases)).settings.shares.map(({ name }) => name),
      before === 0 ? ['data'] : [],
    );
  }
});

/** As a verification does. */
async function quarantine(store: Store): Promise<void> {
  const { objects } = store.objectStore;
  for await (const [, frame] of objects.entries()) {
    const { type, digest } = claimedName(frame);
    if (type !== ObjectType.settings) continue;
    await store.reader.read(type, Uint8Array.from(digest)).catch(() => undefined);
  }
}

t.test('rebuilding does not bring them back either', async (t) => {
  const { databases } = await storeWithRemoved();
  await damageSettings(databases);
  const { meta } = memoryDatabases();
  await rebuildMeta(databases.objects, meta, quiet);
  const rebuilt = { objects: databases.objects, meta };
  const store = await openTestStore(rebuilt);
  t.throws(() => new Shares(() => store).list(), DAMAGED);
  await new Shares(() => store).add(HOME);
  const again = await openTestStore(rebuilt);
  t.same(new Shares(() => again).list(), [HOME]);
});

t.test('without any that can be read nothing is known', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'web', Buffer.alloc(4096, 1));
  await new Shares(() => store).add(DATA);
  await store.collect(quiet);
  await damageSettings(databases);
  const again = await openTestStore(databases);
  t.throws(() => new Shares(() => again).list(), { ...DAMAGED, message: /none is known/ });
});

t.test('on a full disk it is found out again by the next server', async (t) => {
  const { databases } = await storeWithRemoved();
  await damageSettings(databases);
  for (const [code, opens] of [
    ['STORE_FULL', true],
    ['STORE_FAILED', false],
  ] as const) {
    const objects = kvWith(databases.objects, { write: () => Promise.reject(new UmbraError(code, 'no')) });
    const opening = openTestStore({ ...databases, objects });
    if (opens) t.same((await opening).settings, { shares: [], machines: [], lost: [HOME], policiesInDoubt: true });
    else await t.rejects(opening, { code });
  }
});
