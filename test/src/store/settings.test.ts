import t from 'tap';
import { ObjectType } from '../../../src/codec/formats.js';
import { encodeFormatRecord } from '../../../src/store/format-record.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import { encodeSettings, NO_SETTINGS } from '../../../src/store/settings.js';
import { Shares } from '../../../src/store/shares.js';
import { backUp, memoryDatabases, openTestStore, TEST_FORMAT } from '../../kit/test-store.js';

const quiet = { signal: new AbortController().signal, progress: () => undefined };
const DATA = { name: 'data', machine: 'web', path: 'vda1/srv/data' };
const HOME = { name: 'Home', machine: 'web', path: 'vda2' };

t.test('shares survive closing, collections and rebuilding', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  t.same(store.settings, NO_SETTINGS);
  await backUp(store, 'web', Buffer.alloc(4096, 1));
  const shares = new Shares(() => store);
  await Promise.all([shares.add(HOME), shares.add(DATA)]);
  t.same(store.settings.shares, [HOME, DATA], 'sorted');
  t.same(await shares.add(DATA), DATA, 'the same again is nothing new');
  t.same(await shares.remove('home'), HOME, 'whatever its case');
  t.same(await shares.add(HOME), HOME);
  await shares.remove('data');
  await store.collect(quiet);
  const again = await openTestStore(databases);
  t.same(again.settings.shares, [HOME]);
  const { meta } = memoryDatabases();
  await rebuildMeta(databases.objects, meta, quiet);
  t.same((await openTestStore({ objects: databases.objects, meta })).settings.shares, [HOME]);
});

t.test('a name means one directory', async (t) => {
  const store = await openTestStore();
  await backUp(store, 'web', Buffer.alloc(4096, 1));
  const shares = new Shares(() => store);
  await t.rejects(shares.add({ ...DATA, machine: 'none' }), { code: 'NOT_FOUND' });
  await t.rejects(shares.remove('data'), { code: 'NOT_FOUND', hint: /share list/ });
  await shares.add(DATA);
  await t.rejects(shares.add({ ...DATA, path: 'vda1' }), { code: 'BAD_ARGUMENT', message: /is web:\/vda1\/srv\/data/ });
  await t.rejects(shares.add({ ...DATA, name: 'DATA' }), { code: 'BAD_ARGUMENT' });
  await shares.remove('data');
  await t.rejects(shares.add({ ...DATA, path: 'vda1' }), { code: 'BAD_ARGUMENT', hint: /umbra stop/ });
  t.same(await shares.add(DATA), DATA);
  t.same(await new Shares(() => store).add({ ...HOME, path: 'vda9' }), { ...HOME, path: 'vda9' });
});

t.test('settings without shares are the format record alone, and what is not right in them is left out', async (t) => {
  t.equal(encodeSettings(TEST_FORMAT, NO_SETTINGS).toString(), encodeFormatRecord(TEST_FORMAT));
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const session = store.openSession();
  const bad = [
    5,
    null,
    { name: 'a' },
    { ...DATA, name: 'global' },
    { ...DATA, path: '../x' },
    { ...DATA, machine: '/' },
  ];
  const text = JSON.stringify({ ...(JSON.parse(encodeFormatRecord(TEST_FORMAT)) as object), shares: [...bad, DATA] });
  await session.addLast(ObjectType.settings, Buffer.from(text));
  await session.barrier();
  session.end();
  t.same((await openTestStore(databases)).settings.shares, [DATA]);
});
