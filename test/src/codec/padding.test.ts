import t from 'tap';

import { paddedLength } from '../../../src/codec/padding.js';

t.test('lengths of the paper, never shorter, never more than 12 % longer, and the same again', (t) => {
  // Worked out by hand from algorithm 1: the low bits beyond the mantissa are rounded up.
  for (const [bytes, padded] of [
    [0, 0],
    [1, 1],
    [8, 8],
    [9, 10],
    [100, 104],
    [1000, 1024],
    [4133, 4352],
    [65_536, 65_536],
    [65_537, 67_584],
    [262_181, 270_336],
  ] as const) {
    t.equal(paddedLength(bytes), padded, `${bytes}`);
  }
  const lengths = new Set<number>();
  for (let bytes = 2; bytes < 300_000; bytes += bytes < 5000 ? 1 : 97) {
    const padded = paddedLength(bytes);
    lengths.add(padded);
    if (padded < bytes || padded > bytes * 1.12 || paddedLength(padded) !== padded) t.fail(`${bytes} → ${padded}`);
  }
  t.ok(lengths.size < 260, `${lengths.size} lengths`);
  t.end();
});
