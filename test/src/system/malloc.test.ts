import t from 'tap';

import { setMalloc } from '../../../src/system/malloc.js';

t.test('glibc takes the number of arenas', async (t) => {
  t.equal(setMalloc('arenaMax', 2), true);
});
