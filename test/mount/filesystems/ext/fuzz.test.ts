import t from 'tap';
import { extFuzzTargets, fuzzExt } from '../../../kit/filesystems/ext-fuzz.js';
import { Random } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { firstSeed, repeats } from '../../../kit/repeats.js';

const MUTANTS = 120;

void t.test('damaged images crash nothing', async (t) => {
  const targets = extFuzzTargets(t, temporaryDirectory(t));
  for (const { regions } of targets) t.ok(regions.length > 5);
  t.same(await fuzzExt(targets, new Random(firstSeed(t)), repeats(MUTANTS)), []);
});
