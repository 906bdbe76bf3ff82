import t from 'tap';
import { Bandwidth, type TakeBytes } from '../../../agent/send/bandwidth.js';
import { throttled } from '../../../agent/send/throttled.js';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { Random, testSeed } from '../../kit/random.js';

const KIB = 1024;
const SIGNAL = new AbortController().signal;

interface Given {
  readonly atMs: number;
  readonly bytes: number;
  readonly by: number;
}

/** Lets everything that is due now happen. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Let time pass from timer to timer. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  const endMs = clock.monotonic() + ms;
  await settle();
  while (clock.nextMs !== undefined && clock.nextMs <= endMs) {
    clock.advance(clock.nextMs - clock.monotonic());
    await settle();
  }
  clock.advance(endMs - clock.monotonic());
  await settle();
}

/** Takes as much as it is given, one piece after the other, until the signal is aborted. */
function takeAll(clock: ManualClock, given: Given[], by: number, take: TakeBytes, size: () => number): AbortController {
  const over = new AbortController();
  const run = async (): Promise<void> => {
    for (;;) {
      const bytes = size();
      await take(bytes, over.signal);
      given.push({ atMs: clock.monotonic(), bytes, by });
    }
  };
  run().catch(() => undefined);
  return over;
}

function sum(given: readonly Given[]): number {
  return given.reduce((total, { bytes }) => total + bytes, 0);
}

/** The most that any span of time had more than the rate allows. */
function mostAhead(given: readonly Given[], bytesPerSecond: number): number {
  let most = 0;
  let ahead = 0;
  let beforeMs = 0;
  for (const { atMs, bytes } of given) {
    ahead = Math.max(0, ahead - ((atMs - beforeMs) * bytesPerSecond) / 1000) + bytes;
    beforeMs = atMs;
    most = Math.max(most, ahead);
  }
  return most;
}

t.test('the rate is kept, whatever is asked for, and nothing of it is wasted', async (t) => {
  const random = new Random(testSeed(t));
  for (const rate of [64 * KIB, 1_000_003, 100_000_000]) {
    const clock = new ManualClock(0);
    const bandwidth = new Bandwidth(clock);
    bandwidth.limit(rate);
    const given: Given[] = [];
    // At most some hundred pieces a second.
    const most = Math.min(REGION_BYTES, rate / 4);
    const sizes = [() => 1 + random.below(REGION_BYTES), () => (random.chance(0.1) ? REGION_BYTES : most)];
    const all = sizes.map((size, by) => takeAll(clock, given, by, bandwidth.share(), size));
    await pass(clock, rate > 1_000_003 ? 10_000 : 300_000);
    for (const one of all) one.abort();
    const allowed = (clock.monotonic() / 1000) * rate;
    const piece = Math.max(REGION_BYTES, rate / 4);
    t.ok(mostAhead(given, rate) <= piece + rate / 500, `${mostAhead(given, rate)} bytes ahead at ${rate}`);
    t.ok(sum(given) >= allowed - piece, `${sum(given)} of ${allowed} bytes`);
  }
});

t.test('a pause earns no more than a quarter of a second', async (t) => {
  const clock = new ManualClock(0);
  const bandwidth = new Bandwidth(clock);
  bandwidth.limit(1_000_000);
  await pass(clock, 3_600_000);
  const given: Given[] = [];
  const over = takeAll(clock, given, 0, bandwidth.share(), () => 1000);
  await settle();
  over.abort();
  t.equal(sum(given), 250_000);
});

t.test('those who share are given the same, however much they ask for at a time', async (t) => {
  const clock = new ManualClock(0);
  const bandwidth = new Bandwidth(clock);
  bandwidth.limit(1_000_000);
  const given: Given[] = [];
  const of = (by: number): number => sum(given.filter((one) => one.by === by));
  const all = [takeAll(clock, given, 0, bandwidth.share(), () => REGION_BYTES)];
  await pass(clock, 60_000);
  const alone = of(0);
  t.ok(alone >= 60_000_000 - REGION_BYTES, 'alone it is given all');
  all.push(takeAll(clock, given, 1, bandwidth.share(), () => 50_000));
  await pass(clock, 120_000);
  const [large, small] = [of(0) - alone, of(1)];
  t.ok(Math.abs(large - small) <= 2 * REGION_BYTES, `${large} and ${small} bytes; nothing for the time before`);
  all[0]?.abort();
  await pass(clock, 60_000);
  t.ok(of(1) - small >= 60_000_000 - 2 * REGION_BYTES, 'who is gone leaves all to the other');
  all[1]?.abort();
});

t.test('who is cancelled waits no longer, and costs the others nothing', async (t) => {
  const clock = new ManualClock(0);
  const bandwidth = new Bandwidth(clock);
  bandwidth.limit(64 * KIB);
  const [first, second] = [bandwidth.share(), bandwidth.share()];
  await first(16 * KIB, SIGNAL);
  const gone = new AbortController();
  const waiting = first(REGION_BYTES, gone.signal);
  const next = second(16 * KIB, SIGNAL);
  gone.abort();
  await t.rejects(waiting, { code: 'CANCELLED' });
  await t.rejects(first(1, gone.signal), { code: 'CANCELLED' }, 'nor does it begin to');
  clock.advance(250);
  await next;
  t.equal(clock.nextMs, undefined, 'nothing is left behind');
});

t.test('another limit holds at once, for those who wait too', async (t) => {
  const clock = new ManualClock(0);
  const bandwidth = new Bandwidth(clock);
  const take = bandwidth.share();
  await take(2 ** 40, SIGNAL);
  bandwidth.limit(64 * KIB);
  await take(REGION_BYTES, SIGNAL);
  let isGiven = false;
  const waiting = take(REGION_BYTES, SIGNAL).then(() => (isGiven = true));
  await pass(clock, 60_000);
  // The limit is said with each backup: nothing is given for that.
  bandwidth.limit(64 * KIB);
  await settle();
  t.notOk(isGiven, 'a region takes 64 s');
  bandwidth.limit(1024 * KIB);
  await pass(clock, 500);
  t.ok(isGiven, 'of which the last four are a quarter of a second so, and half of one with the burst');
  await waiting;
  const last = take(2 ** 40, SIGNAL);
  bandwidth.limit(undefined);
  await last;
  t.equal(clock.nextMs, undefined);
});

t.test('frames without a body go past those that wait, and closing ends the waiting', async (t) => {
  const clock = new ManualClock(0);
  const bandwidth = new Bandwidth(clock);
  bandwidth.limit(64 * KIB);
  const sent: string[] = [];
  const connect = throttled(
    () =>
      Promise.resolve({
        send: ({ t: type }) => {
          sent.push(type);
          return Promise.resolve();
        },
        frames: { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) },
        close: () => sent.push('closed'),
      }),
    bandwidth.share(),
  );
  const connection = await connect(SIGNAL);
  const body = Buffer.alloc(64 * KIB);
  await connection.send({ t: 'chunks', volume: 0, region: 0 }, body);
  const waiting = connection.send({ t: 'chunks', volume: 0, region: 1 }, body);
  await connection.send({ t: 'alive', volume: 0, position: 0 });
  t.strictSame(sent, ['chunks', 'alive']);
  connection.close();
  await t.rejects(waiting, { code: 'CANCELLED' });
  clock.advance(60_000);
  await settle();
  t.strictSame(sent, ['chunks', 'alive', 'closed']);
});
