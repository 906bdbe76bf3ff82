import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { FaultQueue, type KvMethod } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import type { KvStore } from '../../../src/store/kv.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { bytes, textOf } from '../../kit/bytes.js';

const error = new UmbraError('STORE_FAILED', 'a fault of the test');

function faulty(): { readonly faults: FaultQueue; readonly inner: KvStore; readonly kv: KvStore } {
  const faults = new FaultQueue();
  const inner = openMemoryKv(['a', 'b', 'c'].map((key) => [bytes(key), bytes(`value ${key}`)]));
  return { faults, inner, kv: openFaultyKv(inner, faults) };
}

async function keysOf(kv: KvStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of kv.keys()) keys.push(textOf(key) ?? '');
  return keys;
}

t.test('every method can fail, once', async (t) => {
  const { faults, kv } = faulty();
  const put = [{ type: 'put', key: bytes('d'), value: bytes('4') }] as const;
  const calls: Readonly<Record<KvMethod, () => Promise<unknown>>> = {
    get: () => kv.get(bytes('a')),
    getMany: () => kv.getMany([bytes('a')]),
    entries: () => kv.entries()[Symbol.asyncIterator]().next(),
    keys: () => kv.keys()[Symbol.asyncIterator]().next(),
    write: () => kv.write(put, { sync: true }),
    flush: () => kv.flush(),
    compact: () => kv.compact(bytes('a'), bytes('b')),
    diskBytes: () => kv.diskBytes(),
    close: () => kv.close(),
  };
  for (const on of Object.keys(calls) as KvMethod[]) {
    faults.push({ on, error });
    await t.rejects(calls[on](), { code: 'STORE_FAILED', message: error.message }, on);
    await t.resolves(calls[on](), `${on} again`);
  }
  faults.assertAllFired();
});

t.test('values are damaged', async (t) => {
  const { faults, kv } = faulty();
  const corrupt = (value: Uint8Array, key: Uint8Array): Uint8Array | undefined =>
    textOf(key) === 'b' ? bytes('damaged') : textOf(key) === 'c' ? undefined : value;
  faults.push({ on: 'getMany', corrupt }, { on: 'get', corrupt }, { on: 'entries', corrupt });
  const many = await kv.getMany(['a', 'b', 'c', 'x'].map(bytes));
  t.same(many.map(textOf), ['value a', 'damaged', undefined, undefined]);
  t.equal(textOf(await kv.get(bytes('b'))), 'damaged');
  const entries: (string | undefined)[] = [];
  for await (const [, value] of kv.entries()) entries.push(textOf(value));
  t.same(entries, ['value a', 'damaged']);
  t.equal(textOf(await kv.get(bytes('b'))), 'value b');
});

t.test('a write fails before, after, or in the midst of being applied', async (t) => {
  const { faults, kv } = faulty();
  const put = ['d', 'e'].map((key) => ({ type: 'put' as const, key: bytes(key), value: bytes(key) }));
  for (const [partial, keys] of [
    [0, 'a b c'],
    [1, 'a b c d'],
    [2, 'a b c d e'],
  ] as const) {
    faults.push({ on: 'write', partial, error });
    await t.rejects(kv.write(put, { sync: true }), { code: 'STORE_FAILED' });
    t.equal((await keysOf(kv)).join(' '), keys);
  }
});

t.test('an iteration fails midway', async (t) => {
  const { faults, kv } = faulty();
  faults.push(
    { on: 'keys', partial: 2, error },
    { on: 'entries', partial: 1, error },
    { on: 'keys', partial: 9, error },
  );
  const seen: string[] = [];
  await t.rejects(async () => {
    for await (const key of kv.keys()) seen.push(textOf(key) ?? '');
  }, error);
  await t.rejects(async () => {
    for await (const [key] of kv.entries()) seen.push(textOf(key) ?? '');
  }, error);
  t.same(seen, ['a', 'b', 'a']);
  await t.rejects(keysOf(kv), error, 'at the latest at the end');
  faults.assertAllFired();
});

t.test('a call waits', async (t) => {
  const { faults, inner, kv } = faulty();
  let go: () => void = () => undefined;
  faults.push({ on: 'write', until: new Promise<void>((resolve) => (go = resolve)) });
  const write = kv.write([{ type: 'del', key: bytes('a') }], { sync: false });
  await new Promise(setImmediate);
  t.same(await keysOf(inner), ['a', 'b', 'c']);
  go();
  await write;
  t.same(await keysOf(inner), ['b', 'c']);
});
