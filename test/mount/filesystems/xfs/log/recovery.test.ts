import t from 'tap';
import { testSeed } from '../../../../kit/random.js';
import { xfsHistory } from '../../../../kit/filesystems/xfs-histories.js';

const HISTORIES = 20;

t.test('shows what the kernel shows after its own recovery', async (t) => {
  const seed = testSeed(t);
  for (let index = 0; index < HISTORIES; index++) {
    const differences = await xfsHistory(t, seed + index);
    t.same(differences.slice(0, 10), [], `history ${seed + index}`);
  }
});
