import t from 'tap';

import { ObjectType } from '../../../src/codec/formats.js';
import { digestKey, objectName } from '../../../src/store/keys.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { kvWith } from '../../kit/kv-with.js';
import { memoryDatabases, openTestStore } from '../../kit/test-store.js';

const type = ObjectType.leaf;
const digest = (byte: number): Buffer => Buffer.alloc(32, byte);

t.test('the quarantine is remembered, and settled with what a collection found', async (t) => {
  const databases = memoryDatabases();
  const { objectStore, reader } = await openTestStore(databases);
  t.notOk(objectStore.hasDamage);
  for (const byte of [1, 2, 3]) await reader.reportDamage(type, digest(byte), 'test');
  const reopened = (await openTestStore(databases)).objectStore;
  t.same(
    [...reopened.quarantined].sort(),
    [1, 2, 3].map((byte) => objectName(type, digest(byte))),
  );
  const missing = new Map([2, 4].map((byte) => [objectName(type, digest(byte)), { type, digest: digest(byte) }]));
  await reopened.settleQuarantine(new Set([1, 2].map((byte) => objectName(type, digest(byte)))), missing);
  const left = [2, 3, 4].map((byte) => objectName(type, digest(byte)));
  t.same([...reopened.quarantined].sort(), left, 'what came meanwhile stays');
  t.same([...(await openTestStore(databases)).objectStore.quarantined].sort(), left);
});

t.test('a look-up that a collection overtakes is done again', async (t) => {
  const { meta, objects } = memoryDatabases();
  const faults = new FaultQueue();
  const store = await openTestStore({ objects, meta: openFaultyKv(meta, faults) });
  const before = store.openSession();
  const plain = Buffer.from('a leaf');
  const { digest: name } = await before.addPlain(type, plain);
  await before.barrier();
  before.end();
  let go = (): void => undefined;
  faults.push({ on: 'getMany', until: new Promise<void>((resolve) => (go = resolve)) });
  const session = store.openSession();
  const finding = session.find(type, [name]);
  store.objectStore.setGuard({ isCondemned: () => true, keep: () => undefined });
  go();
  t.same(await finding, [false], 'condemned');
  store.objectStore.setGuard(undefined);
  t.same(await session.find(type, [name]), [true]);
  session.end();
});

t.test('so is one that saw what a collection has deleted by the time it ends', async (t) => {
  const { meta, objects } = memoryDatabases();
  let letGo: Promise<void> | undefined;
  const slow = kvWith(meta, {
    getMany: async (keys) => {
      const values = await meta.getMany(keys);
      await letGo;
      return values;
    },
  });
  const store = await openTestStore({ objects, meta: slow });
  const before = store.openSession();
  const { digest: name } = await before.addPlain(type, Buffer.from('a leaf'));
  await before.barrier();
  before.end();
  let go = (): void => undefined;
  letGo = new Promise<void>((resolve) => (go = resolve));
  store.objectStore.setGuard({ isCondemned: () => true, keep: () => undefined });
  const session = store.openSession();
  const finding = session.find(type, [name]);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  await meta.write([{ type: 'del', key: digestKey(type, name) }], { sync: true });
  store.objectStore.setGuard(undefined);
  letGo = undefined;
  go();
  t.same(await finding, [false]);
  session.end();
});
