import t from 'tap';
import { fuzzClusters } from '../../../kit/filesystems/fat-fuzz.js';
import { exfatSubject, fatSubjects } from '../../../kit/filesystems/fat-subjects.js';
import { Random, testSeed } from '../../../kit/random.js';

const MUTANTS = Number(process.env['UMBRA_TEST_MUTANTS'] ?? 60);

t.test('mutants of FAT and exFAT neither crash nor hang, and are read inside of their images only', async (t) => {
  await fuzzClusters(t, new Random(testSeed(t)), [...fatSubjects(t), exfatSubject(t)], MUTANTS);
});
