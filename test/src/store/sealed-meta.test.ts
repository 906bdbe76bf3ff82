import { createDecipheriv, createHmac } from 'node:crypto';
import t from 'tap';

import { digestOf } from '../../../src/codec/digest.js';
import { MetaPrefix, ObjectType } from '../../../src/codec/formats.js';
import { withCheck, withoutCheck } from '../../../src/store/checked.js';
import {
  catalogKey,
  changeKey,
  changeRange,
  digestKey,
  highWaterKey,
  jobKey,
  plannedKey,
  replicaKey,
  prefixRange,
  quarantineKey,
  sequenceKey,
} from '../../../src/store/keys.js';
import type { KvReader } from '../../../src/store/kv.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { sealMeta } from '../../../src/store/sealed-meta.js';
import { testKeys } from '../../kit/sealed.js';
import { damageValue } from '../../kit/store-damage.js';

const digest = digestOf(Buffer.from('content'));
const KEYS = [
  digestKey(ObjectType.chunk, digest),
  digestKey(ObjectType.record, digest),
  digestKey(ObjectType.settings, digest),
  quarantineKey(ObjectType.chunk, digest),
  sequenceKey(5),
  catalogKey('secret-machine', '2026-11-22T10-15-00Z'),
  plannedKey('secret-machine'),
  replicaKey('secret-machine'),
  changeKey('secret-machine', 7),
  jobKey(3),
  highWaterKey,
];
const CONTENT = Buffer.from('12345678');

async function prepare(): Promise<{ inner: ReturnType<typeof openMemoryKv>; meta: ReturnType<typeof openMemoryKv> }> {
  const inner = openMemoryKv();
  const meta = sealMeta(inner, testKeys().meta);
  await meta.write(
    KEYS.map((key) => ({ type: 'put', key, value: withCheck(key, CONTENT) })),
    { sync: true },
  );
  return { inner, meta };
}

async function all(kv: KvReader, range = {}): Promise<[Uint8Array, Uint8Array][]> {
  const found: [Uint8Array, Uint8Array][] = [];
  for await (const [key, value] of kv.entries(range)) found.push([key, value]);
  return found;
}

t.test('what was put in comes out, by key and by prefix, also in another session', async (t) => {
  const { inner, meta } = await prepare();
  for (const kv of [meta, sealMeta(inner, testKeys().meta)]) {
    for (const key of KEYS) t.same(withoutCheck(key, (await kv.get(key)) ?? Buffer.of()), CONTENT);
    t.same(
      (await kv.getMany([...KEYS, plannedKey('other')])).map((value) => value?.length),
      [...KEYS.map(() => 12), undefined],
    );
    for (const prefix of [
      MetaPrefix.quarantine,
      MetaPrefix.sequence,
      MetaPrefix.catalog,
      MetaPrefix.job,
      MetaPrefix.change,
    ]) {
      const wanted = KEYS.filter((key) => key[0] === prefix);
      t.same(
        (await all(kv, prefixRange(prefix))).map(([key]) => Buffer.from(key)),
        wanted,
      );
    }
    const records = { gte: Buffer.of(MetaPrefix.digest, 4), lt: Buffer.of(MetaPrefix.digest, 5) };
    const keys: Buffer[] = [];
    for await (const key of kv.keys(records)) keys.push(Buffer.from(key));
    t.same(keys, [KEYS[1]]);
    const sequences: Uint8Array[] = [];
    for await (const key of kv.keys(prefixRange(MetaPrefix.sequence))) sequences.push(key);
    t.same(
      sequences.map((key) => Buffer.from(key)),
      [sequenceKey(5)],
    );
  }
  await meta.write(
    KEYS.map((key) => ({ type: 'del', key })),
    { sync: true },
  );
  t.same(await all(inner), []);
  await meta.flush();
  await meta.compact(Buffer.of(0), Buffer.of(255));
  t.type(await meta.diskBytes(), 'number');
  await meta.close();
});

t.test('what belongs to one machine is listed in order, and nothing of another', async (t) => {
  const inner = openMemoryKv();
  const meta = sealMeta(inner, testKeys().meta);
  const keys = [3, 256, 65_536].map((order) => changeKey('web1', order));
  const others = ['web', 'web10', 'web1.a'].map((machine) => changeKey(machine, 4));
  await meta.write(
    [...keys.toReversed(), ...others].map((key) => ({ type: 'put', key, value: withCheck(key, CONTENT) })),
    { sync: true },
  );
  const found = (await all(meta, changeRange('web1'))).map(([key, value]) => [
    Buffer.from(key),
    withoutCheck(key, value),
  ]);
  t.same(
    found,
    keys.map((key) => [key, CONTENT]),
  );
  t.same(
    (await all(meta, { ...changeRange('web1'), reverse: true, limit: 1 })).map(([key]) => Buffer.from(key)),
    keys.slice(-1),
  );
  const listed: Buffer[] = [];
  for await (const key of meta.keys({ gt: changeKey('web1', 3), lte: changeKey('web1', 256) }))
    listed.push(Buffer.from(key));
  t.same(listed, [keys[1]]);
  t.equal((await all(meta, prefixRange(MetaPrefix.change))).length, 6);
  await t.rejects(all(meta, { gte: changeKey('web1', 0), lt: changeKey('web10', 9) }), { code: 'INTERNAL' });
  await t.rejects(all(meta, { gte: changeKey('web1', 0) }), { code: 'INTERNAL' });
  await t.rejects(all(meta, { gte: changeKey('web1', 0), lt: catalogKey('web1', 'later') }), { code: 'INTERNAL' });
});

t.test('a walk over names that are hidden is a defect', async (t) => {
  const { meta } = await prepare();
  await t.rejects(all(meta, { gte: catalogKey('a', '') }), { code: 'INTERNAL' });
  await t.rejects(all(meta, prefixRange(MetaPrefix.digest)), { code: 'INTERNAL' });
  const key = digestKey(ObjectType.leaf, digest);
  await t.rejects(meta.write([{ type: 'put', key, value: Buffer.of(1) }], { sync: true }), { code: 'INTERNAL' });
});

t.test('nothing that tells something is in it, not even a checksum of it', async (t) => {
  const { inner } = await prepare();
  const stored = await all(inner);
  t.equal(stored.length, KEYS.length);
  const bytes = Buffer.concat(stored.flat());
  for (const [what, text] of [
    ['digest', Buffer.from(digest)],
    ['a part of it', Buffer.from(digest.subarray(8, 20))],
    ['machine', Buffer.from('secret-machine')],
    ['shadow copy', Buffer.from('2026-11')],
    ...KEYS.map((key) => ['check', withCheck(key, CONTENT).subarray(0, 4)] as const),
  ] as const)
    t.equal(bytes.includes(text), false, what);
});

t.test('a value can be opened by hand, as the layout says', async (t) => {
  const { inner } = await prepare();
  const key = jobKey(3);
  const stored = Buffer.from((await inner.get(key)) ?? []);
  const sessionKey = createHmac('sha256', testKeys().meta.values).update(stored.subarray(0, 16)).digest();
  const opening = createDecipheriv(
    'aes-256-gcm',
    sessionKey,
    Buffer.concat([Buffer.alloc(4), stored.subarray(16, 24)]),
  );
  opening.setAAD(key);
  opening.setAuthTag(stored.subarray(-16));
  const plain = Buffer.concat([opening.update(stored.subarray(24, -16)), opening.final()]);
  t.same(plain, withCheck(key, CONTENT));
  const nonces = new Set((await all(inner)).map(([, value]) => Buffer.from(value).toString('hex', 0, 24)));
  t.equal(nonces.size, KEYS.length);
});

t.test('what was changed, or stands at another key, does not pass for what was written', async (t) => {
  for (const [index, key] of KEYS.entries()) {
    const { inner, meta } = await prepare();
    const before = await all(inner);
    for (const [stored] of before) {
      await damageValue(inner, stored, (value) => {
        const at = (index * 5) % value.length;
        value[at] = (value[at] ?? 0) ^ 4;
        return value;
      });
    }
    t.equal(withoutCheck(key, (await meta.get(key)) ?? Buffer.of(0, 0, 0, 0)), undefined);
    for (const prefix of [MetaPrefix.catalog, MetaPrefix.sequence])
      t.match(await all(meta, prefixRange(prefix)), [[Uint8Array, { length: 0 }]]);
    for (const [stored] of before)
      await inner.write([{ type: 'put', key: stored, value: Buffer.of(1) }], { sync: true });
    t.equal(withoutCheck(key, (await meta.get(key)) ?? Buffer.of(0, 0, 0, 0)), undefined);
  }
  const { inner, meta } = await prepare();
  await inner.write([{ type: 'put', key: jobKey(4), value: (await inner.get(jobKey(3))) ?? Buffer.of() }], {
    sync: true,
  });
  t.equal((await meta.get(jobKey(4)))?.length, 0);
});

t.test('keys of many sessions are found again', async (t) => {
  const inner = openMemoryKv();
  const keys = testKeys().meta;
  for (let session = 0; session < 1030; session++) {
    const key = jobKey(session);
    await sealMeta(inner, keys).write([{ type: 'put', key, value: withCheck(key, CONTENT) }], { sync: true });
  }
  for (const [key, value] of await all(sealMeta(inner, keys), prefixRange(MetaPrefix.job)))
    if (withoutCheck(key, value) === undefined) t.fail();
  t.end();
});
