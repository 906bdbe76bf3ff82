import t from 'tap';

import { ByteCache, ENTRY_BYTES } from '../../../src/store/byte-cache.js';

t.test('keeps within its limit; what was used longest ago goes', (t) => {
  const cache = new ByteCache<Buffer>(100 + 3 * ENTRY_BYTES);
  for (const key of ['a', 'b', 'c']) cache.set(key, Buffer.alloc(30));
  t.equal(cache.get('a')?.length, 30);
  cache.set('d', Buffer.alloc(40));
  t.same(
    ['a', 'b', 'c', 'd'].filter((key) => cache.has(key)),
    ['a', 'c', 'd'],
  );
  t.equal(cache.bytes, 100 + 3 * ENTRY_BYTES);
  t.end();
});

t.test('values are replaced and deleted; too large ones are not kept', (t) => {
  const cache = new ByteCache<Buffer>(100 + ENTRY_BYTES);
  cache.set('a', Buffer.alloc(60));
  cache.set('a', Buffer.alloc(10));
  t.equal(cache.bytes, 10 + ENTRY_BYTES);
  cache.set('a', Buffer.alloc(101));
  t.equal(cache.get('a'), undefined, 'nor is the old value');
  t.equal(cache.bytes, 0);
  cache.delete('a');
  cache.set('b', Buffer.alloc(100));
  t.equal(cache.bytes, 100 + ENTRY_BYTES);
  t.end();
});
