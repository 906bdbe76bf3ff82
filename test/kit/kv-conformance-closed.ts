import type { Test } from 'tap';
import type { KvStore } from '../../src/store/kv.js';
import { bytes } from './bytes.js';

/** What a store does when it is closed; see kv-conformance.ts. */
export const closedBehaviour: Readonly<Record<string, (t: Test, kv: KvStore) => Promise<void>>> = {
  async 'everything fails once it is closed'(t, kv) {
    await kv.write([{ type: 'put', key: bytes('a'), value: bytes('1') }], { sync: true });
    await kv.close();
    await kv.close();
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      get: () => kv.get(bytes('a')),
      getMany: () => kv.getMany([bytes('a')]),
      'getMany of nothing': () => kv.getMany([]),
      entries: () => kv.entries()[Symbol.asyncIterator]().next(),
      keys: () => kv.keys()[Symbol.asyncIterator]().next(),
      write: () => kv.write([{ type: 'del', key: bytes('a') }], { sync: false }),
      'write of nothing': () => kv.write([], { sync: false }),
      compact: () => kv.compact(bytes('a'), bytes('b')),
      diskBytes: () => kv.diskBytes(),
    };
    for (const [name, call] of Object.entries(calls)) {
      await t.rejects(call(), { name: 'UmbraError', code: 'STORE_FAILED' }, name);
    }
  },

  async 'closing lets what runs end'(t, kv) {
    const writes = Array.from({ length: 20 }, (_, index) =>
      kv.write([{ type: 'put', key: bytes(`${index}`), value: Buffer.alloc(10_000) }], { sync: true }),
    );
    const read = kv.get(bytes('0'));
    await Promise.all([kv.close(), kv.close()]);
    t.equal((await Promise.allSettled([...writes, read])).filter(({ status }) => status === 'rejected').length, 0);
  },

  async 'an iteration ends with an error when the store is closed'(t, kv) {
    for (let index = 0; index < 5; index++) {
      await kv.write([{ type: 'put', key: bytes(`${index}`), value: Buffer.alloc(700_000) }], { sync: false });
    }
    let seen = 0;
    await t.rejects(
      async () => {
        for await (const _ of kv.entries()) if (++seen === 1) await kv.close();
      },
      { code: 'STORE_FAILED' },
    );
    t.ok(seen < 5);
  },
};
