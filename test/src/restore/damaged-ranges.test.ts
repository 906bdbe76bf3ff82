import t from 'tap';

import { DamagedRanges, damagedError } from '../../../src/restore/damaged-ranges.js';

t.test('ranges are joined, counted, and named up to a number', async (t) => {
  const ranges = new DamagedRanges();
  t.ok(ranges.isEmpty);
  ranges.add(4096, 4096);
  ranges.add(8192, 100);
  t.equal(ranges.describe(), '4196 bytes (4096-8291)');
  for (let index = 1; index < 10; index++) ranges.add(index * 100_000, 1);
  t.match(ranges.describe(), /^4205 bytes \(4096-8291, 100000-100000, .*, 700000-700000 and 2 ranges more\)$/);
  t.notOk(ranges.isEmpty);
});

t.test('the error', async (t) => {
  const error = damagedError('the restore of m1@x', ['vda: 1 bytes (0-0)', 'vdb: 2 bytes (3-4)']);
  t.match(error, { code: 'STORE_DAMAGED', hint: /verify/ });
  t.equal(
    error.message,
    'the restore of m1@x is not complete: damaged in the store are vda: 1 bytes (0-0); vdb: 2 bytes (3-4)',
  );
});
