import t from 'tap';
import { fuzzDisks } from '../../kit/disk/fuzz.js';
import { fuzzBases } from '../../kit/disk/fuzz-bases.js';
import { Random, testSeed } from '../../kit/random.js';

t.test('damaged tables, groups and arrays: an answer or an error, never more', async (t) => {
  const count = Number(process.env['UMBRA_FUZZ_COUNT'] ?? 24);
  t.same(await fuzzDisks(new Random(testSeed(t)), fuzzBases(t), count), []);
});
