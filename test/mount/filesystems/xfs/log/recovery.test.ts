import t from 'tap';
import { xfsHistory } from '../../../../kit/filesystems/xfs-histories.js';
import { firstSeed, repeats } from '../../../../kit/repeats.js';

const HISTORIES = 20;

t.test('shows what the kernel shows after its own recovery', async (t) => {
  const seed = firstSeed(t);
  for (let index = 0; index < repeats(HISTORIES); index++) {
    const differences = await xfsHistory(t, seed + index);
    t.same(differences.slice(0, 10), [], `history ${seed + index}`);
  }
});
