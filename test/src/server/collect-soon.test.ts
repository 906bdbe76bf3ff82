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
  await new Promise(setImmediate);
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

t.test('a store that can not be collected is tried ever more rarely, until that may be over', async (t) => {
  const clock = new ManualClock();
  const beganMs: number[] = [];
  let isDamaged = true;
  const collect = (): Promise<void> => {
    beganMs.push(clock.monotonic());
    return isDamaged ? Promise.reject(new UmbraError('STORE_DAMAGED', 'a node is damaged')) : Promise.resolve();
  };
  const collecting = new CollectSoon({ collect, clock, log: silentLog });
  const pass = async (minutes: number): Promise<void> => {
    clock.advance(minutes * 60_000);
    await new Promise(setImmediate);
  };
  collecting.soon();
  await pass(1);
  for (let tens = 0; tens < 6 * 24; tens += 1) {
    // Machines are pruned all the time.
    collecting.soon();
    await pass(10);
  }
  const pausesMinutes = beganMs.slice(1).map((atMs, index) => (atMs - (beganMs[index] ?? 0)) / 60_000);
  t.same(pausesMinutes, [10, 20, 40, 80, 160, 240, 240, 240, 240]);
  isDamaged = false;
  collecting.retry();
  await pass(1);
  t.equal(beganMs.length, 11, 'what was damaged may be whole');
  collecting.retry();
  await pass(24 * 60);
  t.equal(beganMs.length, 11, 'nothing was deleted since');
  collecting.soon();
  await pass(1);
  t.equal(beganMs.length, 12);
});

t.test('what is deleted while one runs has another one', async (t) => {
  const clock = new ManualClock();
  const ends: (() => void)[] = [];
  const collect = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
  const said: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void said.push(message) };
  const collecting = new CollectSoon({ collect, clock, log });
  collecting.soon();
  clock.advance(60_000);
  collecting.soon(3_600_000);
  collecting.soon();
  clock.advance(3_600_000);
  t.equal(ends.length, 1, 'it runs');
  ends[0]?.();
  await new Promise(setImmediate);
  clock.advance(60_000);
  t.equal(ends.length, 2);
  ends[1]?.();
  await new Promise(setImmediate);
  clock.advance(24 * 3_600_000);
  t.equal(ends.length, 2);
  t.same(said, []);
  collecting.stop();
});
