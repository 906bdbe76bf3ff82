import type { Iterator } from 'classic-level';
import type { KvRange } from './kv.js';
import type { LevelDatabase, LevelHandle } from './level-handle.js';

type Entry = readonly [key: Uint8Array, value: Uint8Array];
type LevelIterator = Iterator<LevelDatabase, Uint8Array, Uint8Array>;

// A batch ends after the entry that reaches this, so memory stays within it plus one value.
const BATCH_BYTES = 1024 * 1024;
const BATCH_ENTRIES = 1000;

/**
 * The entries of `range`, read in batches; without `values`, values are empty. The LevelDB
 * iterator is closed when the generator ends or is left. When the database was reopened in
 * between, iteration goes on behind the last entry that was read.
 */
export async function* iterateLevel(handle: LevelHandle, range: KvRange, values: boolean): AsyncGenerator<Entry> {
  let rest = range;
  let iterator: LevelIterator | undefined;
  try {
    for (;;) {
      const batch: Entry[] = await handle.use('read', async (database) => {
        if (iterator?.db !== database) iterator = openIterator(database, rest, values);
        const entries = await iterator.nextv(BATCH_ENTRIES);
        if (entries.length === rest.limit) await checkPassed(database, range, entries.at(-1));
        return entries;
      });
      const last = batch.at(-1);
      if (last === undefined) return;
      rest = rangeBehind(rest, last[0], batch.length);
      yield* batch;
      if (rest.limit === 0) return;
    }
  } finally {
    await iterator?.close();
  }
}

function openIterator(database: LevelDatabase, range: KvRange, values: boolean): LevelIterator {
  return database.iterator<Uint8Array, Uint8Array>({
    ...range,
    values,
    fillCache: false,
    highWaterMarkBytes: BATCH_BYTES,
  });
}

/**
 * LevelDB skips a block it can't read, and classic-level asks for the error only at the end of
 * the range. Where a limit ends an iteration earlier, walk the same keys once more, to their end,
 * lest a fault looks like an absent key.
 */
async function checkPassed(database: LevelDatabase, range: KvRange, last: Entry | undefined): Promise<void> {
  if (last === undefined) return;
  const { limit: _, ...unlimited } = range;
  const passed = range.reverse === true ? { ...unlimited, gte: last[0] } : { ...unlimited, lte: last[0] };
  const iterator = openIterator(database, passed, false);
  try {
    for (let size = 1; size > 0;) size = (await iterator.nextv(BATCH_ENTRIES)).length;
  } finally {
    await iterator.close();
  }
}

/** What remains of `range` after `count` entries, of which `last` was the last. */
function rangeBehind(range: KvRange, last: Uint8Array, count: number): KvRange {
  const { gt, gte, lt, lte, limit, ...kept } = range;
  const upper = { ...(lt && { lt }), ...(lte && { lte }) };
  const lower = { ...(gt && { gt }), ...(gte && { gte }) };
  const bounds = range.reverse === true ? { ...lower, lt: last } : { ...upper, gt: last };
  return { ...kept, ...bounds, ...(limit !== undefined && { limit: limit - count }) };
}
