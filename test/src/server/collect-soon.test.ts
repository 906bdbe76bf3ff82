import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import { CollectSoon } from '../../../src/server/collect-soon.js';
import { ManualClock } from '../../kit/manual-clock.js';

t.test('one collection is for all that was deleted a while before', async (t) => {
  const clock = new ManualClock();
  let collections = 0;
  const collect = (): Promise<void> => Promise.resolve(void (collections += 1));
  const collecting = new CollectSoon({ collect, clock, log: silentLog });
  for (let deleted = 0; deleted < 3; deleted += 1) collecting.soon();
  t.equal(collections, 0);
  clock.advance(60_000);
  t.equal(collections, 1);
  clock.advance(3_600_000);
  t.equal(collections, 1, 'nothing else was deleted');
  collecting.soon();
  clock.advance(60_000);
  t.equal(collections, 2);
});

t.test('one that fails is tried again, until the server ends', async (t) => {
  const clock = new ManualClock();
  const signals: AbortSignal[] = [];
  const collect = (gone: AbortSignal): Promise<void> => {
    signals.push(gone);
    return Promise.reject(new UmbraError('STORE_IN_USE', 'the store is in use'));
  };
  const said: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void said.push(message) };
  const collecting = new CollectSoon({ collect, clock, log });
  collecting.soon();
  clock.advance(60_000);
  await new Promise(setImmediate);
  t.match(said, [/not given back yet/]);
  clock.advance(10 * 60_000);
  await new Promise(setImmediate);
  t.equal(signals.length, 2);
  collecting.stop();
  t.ok(signals[0]?.aborted, 'what runs is given up');
  clock.advance(3_600_000);
  collecting.soon();
  clock.advance(3_600_000);
  t.equal(signals.length, 2);
});
