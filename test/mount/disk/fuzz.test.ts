import t from 'tap';
import { fuzzDisks } from '../../kit/disk/fuzz.js';
import { fuzzBases } from '../../kit/disk/fuzz-bases.js';
import { Random } from '../../kit/random.js';
import { firstSeed, repeats } from '../../kit/repeats.js';

const MUTANTS = 24;

t.test('damaged tables, groups and arrays: an answer or an error, never more', async (t) => {
  t.same(await fuzzDisks(new Random(firstSeed(t)), fuzzBases(t), repeats(MUTANTS)), []);
});
