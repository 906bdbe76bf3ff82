import t from 'tap';
import { fuzzClusters } from '../../../kit/filesystems/fat-fuzz.js';
import { exfatSubject, fatSubjects } from '../../../kit/filesystems/fat-subjects.js';
import { Random } from '../../../kit/random.js';
import { firstSeed, repeats } from '../../../kit/repeats.js';

const MUTANTS = 60;

t.test('mutants of FAT and exFAT neither crash nor hang, and are read inside of their images only', async (t) => {
  await fuzzClusters(t, new Random(firstSeed(t)), [...fatSubjects(t), exfatSubject(t)], repeats(MUTANTS));
});
