import type { Test } from 'tap';
import type { KvOperation, KvRange, KvReader, KvStore } from '../../src/store/kv.js';
import { bytes, numberKey, textOf } from './bytes.js';
import { closedBehaviour } from './kv-conformance-closed.js';
import { modelBehaviour } from './kv-conformance-model.js';

type Open = () => Promise<KvStore>;
type Check = (t: Test, kv: KvStore) => Promise<void>;

/**
 * What every key-value store must do. `open` makes a new, empty store each time.
 */
export async function kvConformance(t: Test, name: string, open: Open): Promise<void> {
  await t.test(name, async (t) => {
    for (const [what, check] of Object.entries({ ...CHECKS, ...closedBehaviour, ...modelBehaviour })) {
      await t.test(what, async (t) => {
        const kv = await open();
        try {
          await check(t, kv);
        } finally {
          await kv.close();
        }
      });
    }
  });
}

/** A put of text under text. */
function put(key: string, value: string): KvOperation {
  return { type: 'put', key: bytes(key), value: bytes(value) };
}

function del(key: string): KvOperation {
  return { type: 'del', key: bytes(key) };
}

async function fill(kv: KvStore, entries: Readonly<Record<string, string>>): Promise<void> {
  await kv.write(
    Object.entries(entries).map(([key, value]) => put(key, value)),
    { sync: false },
  );
}

async function keysOf(kv: KvReader, range?: KvRange): Promise<string[]> {
  const found: string[] = [];
  for await (const key of kv.keys(range)) found.push(textOf(key) ?? '');
  return found;
}

async function entriesOf(kv: KvReader, range?: KvRange): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const [key, value] of kv.entries(range)) found.push([textOf(key) ?? '', textOf(value) ?? '']);
  return found;
}

const CHECKS: Readonly<Record<string, Check>> = {
  async 'get and getMany'(t, kv) {
    await fill(kv, { a: '1', b: '', 'a key with \0 and \xff': 'bytes \0\xff' });
    t.equal(textOf(await kv.get(bytes('a'))), '1');
    t.equal(textOf(await kv.get(bytes('b'))), '', 'an empty value is not an absent one');
    t.equal(await kv.get(bytes('c')), undefined);
    t.equal(textOf(await kv.get(bytes('a key with \0 and \xff'))), 'bytes \0\xff');
    const many = await kv.getMany(['b', 'x', 'a', 'a', 'y'].map(bytes));
    t.same(many.map(textOf), ['', undefined, '1', '1', undefined], 'in order, with duplicates and absent keys');
    t.same(await kv.getMany([]), []);
  },

  async 'keys are in bytewise order'(t, kv) {
    const sorted = ['\0', '\0\0', '\0\x01', 'A', 'AA', 'AB', 'B', 'a', '\x7f', '\x80', '\xfe', '\xff', '\xff\xff'];
    await kv.write(
      sorted.toReversed().map((key) => put(key, key)),
      { sync: false },
    );
    t.same(await keysOf(kv), sorted);
    t.same(await keysOf(kv, { reverse: true }), sorted.toReversed());
    t.same(
      await entriesOf(kv),
      sorted.map((key) => [key, key]),
    );
  },

  async ranges(t, kv) {
    await fill(kv, { a: '1', b: '2', bb: '3', c: '4', d: '5' });
    const expected: readonly (readonly [KvRange, string])[] = [
      [{}, 'a b bb c d'],
      [{ gte: bytes('b') }, 'b bb c d'],
      [{ gt: bytes('b') }, 'bb c d'],
      [{ lte: bytes('c') }, 'a b bb c'],
      [{ lt: bytes('c') }, 'a b bb'],
      [{ gte: bytes('b'), lt: bytes('c') }, 'b bb'],
      [{ gt: bytes('aa'), lte: bytes('ba') }, 'b'],
      [{ gt: bytes('b'), lt: bytes('bb') }, ''],
      [{ gte: bytes('c'), lte: bytes('b') }, ''],
      [{ gte: bytes('e') }, ''],
      [{ lt: bytes('a') }, ''],
      [{ limit: 2 }, 'a b'],
      [{ limit: 0 }, ''],
      [{ limit: 99 }, 'a b bb c d'],
      [{ gt: bytes('a'), limit: 1 }, 'b'],
    ];
    for (const [range, keys] of expected) {
      const wanted = keys === '' ? [] : keys.split(' ');
      t.same(await keysOf(kv, range), wanted, `keys ${JSON.stringify(range)}`);
      t.same(
        (await entriesOf(kv, range)).map(([key]) => key),
        wanted,
        'entries',
      );
      if (range.limit === undefined) {
        t.same(await keysOf(kv, { ...range, reverse: true }), wanted.toReversed(), 'reverse');
      }
    }
    t.same(await keysOf(kv, { reverse: true, limit: 2 }), ['d', 'c']);
    t.same(await keysOf(kv, { reverse: true, lt: bytes('d'), limit: 1 }), ['c']);
    t.same(await keysOf(kv, { reverse: true, lte: bytes('bz'), gt: bytes('a') }), ['bb', 'b']);
  },

  async 'an empty store'(t, kv) {
    t.same(await keysOf(kv), []);
    t.same(await entriesOf(kv, { reverse: true, limit: 1 }), []);
    await kv.compact(bytes('a'), bytes('z'));
    t.same(await keysOf(kv), []);
  },

  async 'a batch is applied in its order'(t, kv) {
    await kv.write([put('a', '1'), del('a'), put('b', '1'), put('b', '2')], { sync: true });
    t.same(await entriesOf(kv), [['b', '2']]);
    await kv.write([del('b'), put('b', '3'), del('absent')], { sync: false });
    t.same(await entriesOf(kv), [['b', '3']]);
    await kv.write([], { sync: true });
    t.same(await entriesOf(kv), [['b', '3']]);
  },

  async 'a reader sees a batch as a whole'(t, kv) {
    const names = Array.from({ length: 50 }, (_, index) => `key ${index}`);
    const progress = { done: false };
    const writer = (async () => {
      for (let round = 0; round < 20; round++) {
        await kv.write(
          names.map((name) => put(name, `${round}`)),
          { sync: false },
        );
      }
      progress.done = true;
    })();
    let mixed = 0;
    do {
      const seen = new Set((await kv.getMany(names.map(bytes))).map(textOf));
      const listed = new Set((await entriesOf(kv)).map(([, value]) => value));
      if (seen.size > 1 || listed.size > 1) mixed++;
    } while (!progress.done);
    await writer;
    t.equal(mixed, 0);
  },

  async 'values of 4 MiB'(t, kv) {
    const value = Buffer.alloc(4 * 1024 * 1024, 'umbra ');
    await kv.write(
      [1, 2, 3, 4, 5].map((key) => ({ type: 'put' as const, key: numberKey(key), value })),
      { sync: true },
    );
    t.ok(value.equals((await kv.get(numberKey(2))) ?? Buffer.alloc(0)));
    let seen = 0;
    for await (const [, found] of kv.entries()) if (value.equals(found)) seen++;
    t.equal(seen, 5);
    t.equal((await kv.getMany([numberKey(1), numberKey(5)])).filter((found) => found && value.equals(found)).length, 2);
  },

  async '10,000 keys'(t, kv) {
    const operations = Array.from({ length: 10_000 }, (_, number): KvOperation => {
      return { type: 'put', key: numberKey(number), value: bytes(`value ${number}`) };
    });
    await kv.write(operations, { sync: false });
    let next = 0;
    for await (const [key, value] of kv.entries()) {
      if (!numberKey(next).equals(key) || textOf(value) !== `value ${next}`) break;
      next++;
    }
    t.equal(next, 10_000);
    const keys = operations.map(({ key }) => key);
    const values = await kv.getMany(keys);
    t.ok(values.every((value, index) => textOf(value) === `value ${index}`));
    t.equal((await keysOf(kv, { limit: 2500 })).length, 2500);
    t.equal((await keysOf(kv, { reverse: true, gt: numberKey(10), limit: 9000 })).length, 9000);
    await kv.compact(numberKey(0), numberKey(9_999));
    t.equal((await keysOf(kv)).length, 10_000, 'and after compaction');
    t.ok((await kv.diskBytes()) > 0);
  },

  async 'iteration sees the store as it began'(t, kv) {
    await fill(kv, Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`${1000 + index}`, 'old'])));
    const values = new Set<string | undefined>();
    let seen = 0;
    for await (const [, value] of kv.entries()) {
      if (seen++ === 0) await kv.write([put('1500', 'new'), put('1000a', 'new'), del('3999')], { sync: false });
      values.add(textOf(value));
    }
    t.equal(seen, 3000);
    t.same([...values], ['old']);
    const keys = kv.keys({ gte: bytes('3990') })[Symbol.asyncIterator]();
    const first: unknown = (await keys.next()).value;
    t.ok(first instanceof Uint8Array && textOf(first) === '3990');
    await kv.write([del('3995')], { sync: false });
    let rest = 0;
    while ((await keys.next()).done !== true) rest++;
    t.equal(rest, 8);
  },

  async 'an iteration can be left early'(t, kv) {
    await fill(kv, { a: '1', b: '2', c: '3' });
    for (let round = 0; round < 100; round++) {
      for await (const [key] of kv.entries()) {
        t.equal(textOf(key), 'a');
        break;
      }
      for await (const _ of kv.keys({ reverse: true })) break;
    }
    await t.rejects(async () => {
      for await (const _ of kv.entries()) throw new RangeError('left by an error');
    }, RangeError);
    await kv.compact(bytes('a'), bytes('c'));
    t.same(await keysOf(kv), ['a', 'b', 'c']);
  },

  async 'buffers are nobody else’s'(t, kv) {
    const key = bytes('key');
    const value = bytes('value');
    await kv.write([{ type: 'put', key, value }], { sync: false });
    key.fill('x');
    value.fill('x');
    t.equal(textOf(await kv.get(bytes('key'))), 'value', 'what was passed');
    (await kv.get(bytes('key')))?.fill(0);
    for (const found of await kv.getMany([bytes('key'), bytes('key')])) found?.fill(0);
    for await (const [foundKey, found] of kv.entries()) {
      found.fill(0);
      foundKey.fill(0);
    }
    for await (const found of kv.keys()) found.fill(0);
    t.same(await entriesOf(kv), [['key', 'value']], 'what was returned');
    const inside = Buffer.from('....abcd....');
    await kv.write([{ type: 'put', key: inside.subarray(4, 6), value: inside.subarray(6, 8) }], { sync: false });
    t.equal(textOf(await kv.get(bytes('ab'))), 'cd', 'parts of a larger buffer');
    const plain = new Uint8Array([97, 98]);
    t.equal(textOf(await kv.get(plain)), 'cd', 'a key that is no Buffer');
  },

  async '100 writes at once'(t, kv) {
    const names = Array.from({ length: 100 }, (_, index) => `key ${100 + index}`);
    await Promise.all(
      names.map((name, index) => kv.write([put(name, name), put('last', name)], { sync: index % 7 === 0 })),
    );
    t.same(await keysOf(kv), [...names, 'last'].sort());
    t.equal(textOf(await kv.get(bytes('last'))), names.at(-1), 'writes are applied in the order of the calls');
  },
};
