import t from 'tap';

import { RecentNames } from '../../../src/store/recent-names.js';

t.test('remembers the newest, and no more', async (t) => {
  const names = new RecentNames(3);
  const known = (): string[] => ['a', 'b', 'c', 'd', 'e'].filter((name) => names.has(name));
  for (const name of ['a', 'b', 'c']) names.add(name);
  t.same(known(), ['a', 'b', 'c']);
  names.add('a');
  names.add('d');
  t.same(known(), ['a', 'c', 'd'], 'one that was added again is new again');
  names.add('e');
  t.same(known(), ['a', 'd', 'e']);
});
