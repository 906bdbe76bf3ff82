import t from 'tap';
import { KeptPools } from '../../../agent/send/kept-pools.js';
import { BLOCK_BYTES, REGION_BYTES } from '../../../src/codec/formats.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { TEST_FORMAT } from '../../kit/test-store.js';

const SETTINGS = { cutting: TEST_FORMAT.cutting };
const OTHERS = { cutting: { ...SETTINGS.cutting, seed: 99n } };
const cut = {
  op: 'cut',
  region: new SharedArrayBuffer(REGION_BYTES),
  length: BLOCK_BYTES,
  from: undefined,
} as const;

t.test('threads are kept for the next one, for a while', async (t) => {
  const clock = new ManualClock();
  const pools = new KeptPools(clock);
  const first = pools.take(SETTINGS);
  await pools.keep(first);
  const other = pools.take(OTHERS);
  t.not(other, first, 'others cut in another way');
  t.equal(pools.take({ cutting: { ...SETTINGS.cutting } }), first);
  const second = pools.take(SETTINGS);
  t.not(second, first, 'one is for one alone');
  const third = pools.take(SETTINGS);
  for (const threads of [first, second, third]) await pools.keep(threads);
  await t.rejects(third.pool.run(cut), /were ended/, 'two are enough');
  clock.advance(59_000);
  t.equal(pools.take(SETTINGS), first);
  clock.advance(2000);
  await t.rejects(second.pool.run(cut), /were ended/);
  t.ok(await first.pool.run(cut));
  await pools.keep(first);
  await pools.close();
  await t.rejects(first.pool.run(cut), /were ended/, 'all at its end');
  await other.pool.close();
});
