import t from 'tap';

import { RangeList } from '../../../src/diff/range-list.js';

t.test('ranges that touch are joined, and empty ones left out', async (t) => {
  const list = new RangeList();
  list.add(0, 10);
  list.add(10, 5);
  list.add(20, 0);
  list.add(21, 1);
  t.same(list.ranges, [
    { offset: 0, length: 15 },
    { offset: 21, length: 1 },
  ]);
  t.equal(list.bytes, 16);
});
