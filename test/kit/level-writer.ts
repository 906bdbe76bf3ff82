/**
 * A program: writes synced batches of three entries into the database in `argv[2]` for ever, and
 * prints the number of each batch once it is acknowledged. Made to be killed.
 */
import { openLevelKv } from '../../src/store/level-kv.js';
import { numberKey } from './bytes.js';

const [, , directory = ''] = process.argv;
const kv = await openLevelKv(directory, { profile: 'bulk', createIfMissing: true, errorIfExists: false });
for (let batch = 0; ; batch++) {
  await kv.write(
    [0, 1, 2].map((index) => ({ type: 'put', key: numberKey(3 * batch + index), value: Buffer.alloc(30_000, batch) })),
    { sync: true },
  );
  process.stdout.write(`${batch}\n`);
}
