import t from 'tap';

import { decompressSnappy } from '../../../src/store/snappy.js';
import { Random, testSeed } from '../../kit/random.js';

// A literal of 5 bytes, then copies of all three kinds: the first one reaches into what it writes itself.
const PACKED = Buffer.concat([
  Buffer.of(5 + 7 + 4 + 3),
  Buffer.of(4 << 2),
  Buffer.from('abcde'),
  Buffer.of((3 << 2) | 1, 2),
  Buffer.of((3 << 2) | 2, 5, 0),
  Buffer.of((2 << 2) | 3, 1, 0, 0, 0),
]);

t.test('literals and copies', async (t) => {
  t.equal(decompressSnappy(PACKED)?.toString(), 'abcde' + 'dededed' + 'dede' + 'eee');
  const long = Buffer.alloc(70_000, 7);
  const packed = Buffer.concat([Buffer.of(0xf0, 0xa2, 4), Buffer.of(62 << 2, 0x6f, 0x11, 1), long]);
  t.ok(decompressSnappy(packed)?.equals(long), 'a literal whose length has three bytes');
  t.equal(decompressSnappy(Buffer.of(0))?.length, 0);
});

t.test('what is no Snappy', async (t) => {
  const broken = [
    Buffer.of(),
    Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff),
    Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0),
    Buffer.of(3, 1 << 2, 65, 66),
    Buffer.of(2, 4 << 2, 65),
    Buffer.of(4, 1, 1),
    Buffer.of(5, 0, 65, 1, 0),
    Buffer.of(5, 0, 65, 1, 2),
    Buffer.of(5, 0, 65, 2, 1),
  ];
  for (const bytes of broken) t.equal(decompressSnappy(bytes), undefined, bytes.toString('hex'));
  const random = new Random(testSeed(t));
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(PACKED);
    bytes[random.below(bytes.length)] = random.below(256);
    t.ok((decompressSnappy(bytes.subarray(0, random.below(bytes.length + 1)))?.length ?? 0) <= 32 * bytes.length);
  }
});
