import t from 'tap';
import { blake2b256 } from '../../../../mount/filesystems/btrfs/blake2b.js';

/** The digests that `b2sum -l 256` gives for so many letters `a`. */
const KNOWN: readonly (readonly [number, string])[] = [
  [0, '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8'],
  [1, '8928aae63c84d87ea098564d1e03ad813f107add474e56aedd286349c0c03ea4'],
  [127, '59e2f1aba240f20aa591016f5ef429990bc9c2131dcd0d30f0ffd75ed18f317d'],
  [128, 'ae2aa48507885c4c950fb809b2076f959cde9f8ea6da260d9a3587df33dac450'],
  [129, '2f64744a6de0d2c0b56e64cf6e29a5aaa255010d415d51c75ccc82f73dccd865'],
  [256, 'eae4d3a7627549b383179dc18049964f91a6fed14c9f3fb26705eda3eeda5558'],
  [16352, '75fc9e43a9305ac6074b42feb822c866bba827b3dbc4596f9dd883a88c244876'],
];

t.test('digests are those of b2sum', async (t) => {
  for (const [length, digest] of KNOWN) t.equal(blake2b256(Buffer.alloc(length, 'a')).toString('hex'), digest);
});
