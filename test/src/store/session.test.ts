import t from 'tap';

import { digestOf } from '../../../src/codec/digest.js';
import { ObjectType } from '../../../src/codec/formats.js';
import { openTestStore } from '../../kit/test-store.js';

t.test('says what is new, pins what it is told, and is over when it ended', async (t) => {
  const store = await openTestStore();
  const session = store.openSession();
  const leaf = Buffer.from('a leaf');
  const first = await session.addPlain(ObjectType.leaf, leaf);
  t.same(Buffer.from(first.digest), Buffer.from(digestOf(leaf)));
  t.ok(first.newBytes > 0);
  t.equal((await session.addPlain(ObjectType.leaf, leaf)).newBytes, 0, 'in flight');
  await session.barrier();
  t.equal((await session.addPlain(ObjectType.leaf, leaf)).newBytes, 0, 'stored');
  const [a, b] = [await session.addLast(ObjectType.tombstone, leaf), await session.addLast(ObjectType.tombstone, leaf)];
  t.equal(a.sequence, b.sequence, 'in flight');
  await session.barrier();
  t.ok((await session.addLast(ObjectType.tombstone, leaf)).sequence > a.sequence);
  t.ok(session.pins.has(a.sequence));
  t.equal(store.objectStore.sessions.size, 1);
  session.end();
  session.end();
  t.equal(store.objectStore.sessions.size, 0);
  await t.rejects(session.find(ObjectType.leaf, [first.digest]), { code: 'CANCELLED' });
  await t.rejects(session.addPlain(ObjectType.leaf, leaf), { code: 'CANCELLED' });
  await t.rejects(session.barrier(), { code: 'CANCELLED' });
});
