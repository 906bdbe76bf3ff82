import t from 'tap';
import { xxh32, xxh64 } from '../../../src/codec/xxhash.js';
import { bytes } from '../../kit/bytes.js';
import { pattern } from '../../kit/pattern.js';

const SEED = 0x0123456789abcdefn;

// Made with the C library libxxhash 0.8.1: length of the pattern, xxHash64, the same with a seed, xxHash32.
const VECTORS = [
  [0, 'ef46db3751d8e999', '51e24c0e9077a48c', '02cc5d05'],
  [1, 'e934a84adb052768', 'affd9d6bd53cf137', 'cf65b03e'],
  [31, 'c346d2b59b4d8ee1', 'a11a2cdfd57310b1', 'ef24f709'],
  [32, 'cbf59c5116ff32b4', 'c0477f7fc098e14b', '830741c1'],
  [33, '0c535d1acafb8ead', '9e878be7464b55b0', 'f1e6a545'],
  [4096, '122a8c8d994ad3ec', 'bcf73a9838f10586', '68d54c6c'],
] as const;

function hex(hash: bigint | number, digits: number): string {
  return hash.toString(16).padStart(digits, '0');
}

t.test('as the C library computes them', (t) => {
  for (const [length, plain, seeded, short] of VECTORS) {
    t.equal(hex(xxh64(pattern(length)), 16), plain, `${length} bytes`);
    t.equal(hex(xxh64(pattern(length), SEED), 16), seeded, `${length} bytes with a seed`);
    t.equal(hex(xxh32(pattern(length)), 8), short, `${length} bytes, 32 bits`);
  }
  t.end();
});

t.test('as published for text', (t) => {
  t.equal(hex(xxh64(bytes('ABC')), 16), 'e66ae7354fcfee98');
  t.equal(hex(xxh64(bytes('xxhash')), 16), '32dd38952c4bc720');
  t.equal(hex(xxh32(bytes('ABC')), 8), '80712ed5');
  t.end();
});

t.test('a 32-bit hash is never negative', (t) => {
  t.ok(xxh32(pattern(1)) > 2 ** 31);
  t.equal(hex(xxh32(pattern(1), 0x89abcdef), 8), '965157e1');
  t.end();
});
