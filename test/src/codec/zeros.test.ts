import t from 'tap';
import { fillZeros } from '../../../src/codec/zeros.js';

t.test('zeros from start to end, and nowhere else, in memory of either kind', (t) => {
  for (const memory of [new SharedArrayBuffer(300_000), new ArrayBuffer(300_000)]) {
    const bytes = Buffer.from(memory).fill(1);
    for (const [start, end] of [
      [0, 0],
      [5, 5],
      [9, 2],
      [10, 11],
      [1000, 299_999],
    ] as const) {
      bytes.fill(1);
      fillZeros(bytes, start, end);
      const cleared = Math.max(0, end - start);
      t.equal(bytes.indexOf(0), cleared === 0 ? -1 : start);
      t.equal(
        bytes.reduce((sum, byte) => sum + byte, 0),
        bytes.length - cleared,
      );
    }
  }
  t.end();
});
