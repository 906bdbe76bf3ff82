import t from 'tap';
import { checkBtrfsHistory } from '../../../kit/filesystems/btrfs-history.js';
import { testSeed } from '../../../kit/random.js';

t.test('what was synchronised is shown as after the kernel has replayed it', async (t) => {
  const seed = testSeed(t);
  for (let run = 0; run < 10; run++) await checkBtrfsHistory(t, seed + run);
});
