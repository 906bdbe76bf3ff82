import t from 'tap';
import { Lru } from '../../../mount/filesystems/lru.js';

t.test('what was used the longest ago goes first', async (t) => {
  const lru = new Lru<string, number>(3);
  for (const [index, key] of ['a', 'b', 'c'].entries()) lru.set(key, index);
  t.equal(lru.get('a'), 0);
  lru.set('d', 3);
  t.equal(lru.get('b'), undefined);
  t.same(
    ['a', 'c', 'd'].map((key) => lru.get(key)),
    [0, 2, 3],
  );
  t.equal(lru.size, 3);
  t.equal(lru.set('a', 9), 9);
  t.equal(lru.size, 3);
});

t.test('by weight, but the last one stays', async (t) => {
  const lru = new Lru<string, number>(10, (weight) => weight);
  lru.set('a', 4);
  lru.set('b', 5);
  lru.set('c', 100);
  t.equal(lru.size, 1);
  t.equal(lru.get('c'), 100);
  lru.set('d', 1);
  t.same([lru.get('c'), lru.get('d')], [undefined, 1]);
});
