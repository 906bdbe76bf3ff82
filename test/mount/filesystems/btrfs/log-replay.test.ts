import t from 'tap';
import { checkBtrfsHistory } from '../../../kit/filesystems/btrfs-history.js';
import { firstSeed, repeats } from '../../../kit/repeats.js';

t.test('what was synchronised is shown as after the kernel has replayed it', async (t) => {
  const seed = firstSeed(t);
  for (let run = 0; run < repeats(5); run++) await checkBtrfsHistory(t, seed + run);
});
