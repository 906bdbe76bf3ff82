/**
 * A program: writes into two LevelDB databases below `argv[2]`, as the store does: synced batches
 * into `objects`, or batches that are flushed together, then an entry for each key into `meta`, synced now and then. Prints
 * `{"objects": n}` or `{"meta": n}` when all below `n` is durable there. Made to lose its disk.
 */
import { join } from 'node:path';
import { openLevelKv } from '../../src/store/level-kv.js';
import { numberKey } from './bytes.js';
import { META_BYTES, OBJECT_BYTES } from './power-cut-sizes.js';
import { Random } from './random.js';

const [, , directory = '', seed = '0'] = process.argv;
const random = new Random(Number(seed));
const options = { createIfMissing: true, errorIfExists: false } as const;
const objects = await openLevelKv(join(directory, 'objects'), { profile: 'bulk', ...options });
const meta = await openLevelKv(join(directory, 'meta'), { profile: 'small', ...options });
/** Written to `objects`, and no entry in `meta` yet. */
let pending: number[] = [];
let isDurable = true;
for (let next = 0; ;) {
  const numbers = Array.from({ length: random.between(1, 40) }, () => next++);
  const isSynced = random.chance(0.7);
  await objects.write(
    numbers.map((number) => ({ type: 'put', key: numberKey(number), value: Buffer.alloc(OBJECT_BYTES, number) })),
    { sync: isSynced },
  );
  pending.push(...numbers);
  isDurable &&= isSynced;
  // As the store does: some batches, and then all of them at once.
  if (!isDurable && random.chance(0.8)) continue;
  if (!isDurable) await objects.flush();
  isDurable = true;
  process.stdout.write(`{"objects":${next}}\n`);
  const sync = random.chance(0.2);
  await meta.write(
    pending.map((number) => ({ type: 'put', key: numberKey(number), value: Buffer.alloc(META_BYTES, number) })),
    { sync },
  );
  pending = [];
  if (sync) process.stdout.write(`{"meta":${next}}\n`);
  if (random.chance(0.02)) await meta.compact(numberKey(0), numberKey(next));
}
