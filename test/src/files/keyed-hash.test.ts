import { randomBytes } from 'node:crypto';
import t from 'tap';
import { KeyedHash } from '../../../src/files/keyed-hash.js';

/** The first of the reference code's `vectors_hsip32`: HalfSipHash-2-4 of 0, 1, 2 … bytes 00, 01, 02 …, key 00 to 07. */
const VECTORS = ['a9359f5b', '27475ab8', 'fa62a603', '8afee704'];

t.test('the vectors of the reference code', (t) => {
  const bytes = Buffer.from(Array.from({ length: 64 }, (_, index) => index));
  const hash = new KeyedHash(bytes.subarray(0, 8), 2, 4);
  const found = VECTORS.map((_, length) => {
    const result = Buffer.alloc(4);
    result.writeInt32LE(hash.of(bytes, length));
    return result.toString('hex');
  });
  t.same(found, VECTORS);
  t.end();
});

t.test('every byte, the length and the key count', (t) => {
  const bytes = randomBytes(67);
  const key = randomBytes(8);
  const seen = new Set([new KeyedHash(key).of(bytes, 67), new KeyedHash(randomBytes(8)).of(bytes, 67)]);
  for (let at = 0; at < 67; at++) {
    const other = Buffer.from(bytes);
    other[at] = (other[at] ?? 0) ^ 1;
    seen.add(new KeyedHash(key).of(other, 67)).add(new KeyedHash(key).of(bytes, at));
  }
  t.ok(seen.size > 130, `${seen.size} hashes`);
  t.equal(new KeyedHash(key).of(bytes, 67), new KeyedHash(key).of(Buffer.from(bytes), 67));
  t.end();
});
