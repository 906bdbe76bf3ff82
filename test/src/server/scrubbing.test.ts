import t, { type Test } from 'tap';
import { ObjectType } from '../../../src/codec/formats.js';
import type { Clock } from '../../../src/common/clock.js';
import { silentLog } from '../../../src/common/log.js';
import { Scrubbing } from '../../../src/server/scrubbing.js';
import { Scrub } from '../../../src/store/scrub.js';
import type { Store } from '../../../src/store/store.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { UmbraError } from '../../../src/common/errors.js';
import { chunksOf } from '../../kit/damage.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { Random, testSeed } from '../../kit/random.js';
import { RecordedAlerts } from '../../kit/recorded-alerts.js';
import { backUp, memoryDatabases, openTestStore, TEST_FORMAT } from '../../kit/test-store.js';

const pool = new WorkerPool(TEST_FORMAT, 1);
t.teardown(() => pool.close());
const DAY = 24 * 60 * 60 * 1000;

interface Lab {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly scrub: Scrub;
  readonly scrubbing: Scrubbing;
  readonly alerts: RecordedAlerts;
  readonly running: { kind: string }[];
  readonly trouble: { error: UmbraError | undefined };
  /** Let time pass, turn by turn; what each begins is waited for. */
  readonly pass: (ms: number) => Promise<void>;
  /** Let time pass as on a computer that sleeps: one turn at its end. */
  readonly sleep: (ms: number) => Promise<void>;
}

async function lab(t: Test, days = 30): Promise<Lab> {
  const clock = new ManualClock();
  const store = await openTestStore(memoryDatabases(), undefined, { clock, boot: () => ({ id: 'b', uptimeMs: 0 }) });
  await backUp(store, 'web', new Random(testSeed(t)).bytes(3_000_000));
  const scrub = await Scrub.open({ store, pool: () => pool, now: () => store.moment(), segmentObjects: 8 });
  const alerts = new RecordedAlerts();
  const running: Lab['running'] = [];
  const trouble: Lab['trouble'] = { error: undefined };
  const turns = new TurnClock(clock);
  const scrubbing = new Scrubbing({
    scrub: () => (trouble.error === undefined ? Promise.resolve(scrub) : Promise.reject(trouble.error)),
    running: () => running,
    days,
    clock: turns,
    log: silentLog,
    alerts,
  });
  t.teardown(() => scrubbing.stop());
  const sleep = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await turns.ended();
  };
  const pass = async (ms: number): Promise<void> => {
    const endMs = clock.now() + ms;
    while (turns.nextMs <= endMs) await sleep(Math.max(0, turns.nextMs - clock.now()));
    await sleep(endMs - clock.now());
  };
  return { clock, store, scrub, scrubbing, alerts, running, trouble, pass, sleep };
}

/** The clock of somebody who takes one turn after the other, each of which ends by asking for the next. */
class TurnClock implements Clock {
  readonly #clock: ManualClock;
  #isInTurn = false;
  #resolve = (): void => undefined;
  /** When the next turn begins. */
  nextMs = Infinity;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  after(delayMs: number, callback: () => void): () => void {
    this.nextMs = this.now() + delayMs;
    this.#isInTurn = false;
    this.#resolve();
    return this.#clock.after(delayMs, () => {
      this.#isInTurn = true;
      callback();
    });
  }

  /** Resolves when no turn runs; what it waits for, of threads too, may take any time. */
  async ended(): Promise<void> {
    if (!this.#isInTurn) return;
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
  }
}

t.test('a step is put off while others work, until it is behind', async (t) => {
  const { scrub, scrubbing, running, pass, sleep, alerts } = await lab(t);
  scrubbing.start();
  await pass(8 * DAY);
  const read = scrub.readBytes;
  t.ok(
    read > 0 && (await scrub.figures(30 * DAY)).unreadObjects > 0,
    'some is read after a third of the time, and not all',
  );
  running.push({ kind: 'backup' });
  await sleep(10 * DAY);
  await pass(60_000);
  t.equal(scrub.readBytes, read, 'nothing beside a backup');
  running.splice(0, 1, { kind: 'list' });
  await pass(10_000);
  const beside = scrub.readBytes;
  t.ok(beside > read, 'a list is no work');
  running.push({ kind: 'restore' });
  await sleep(7 * DAY);
  await pass(60_000);
  t.ok(scrub.readBytes > beside, 'but beside a restore what would come too late');
  t.same(alerts.announced, [], 'so nothing is late');
  const result = await scrubbing.result();
  t.match(result, { isRunning: true, days: 30, isLate: false, unreadObjects: 0, damagedObjects: 0 });
  t.ok(result.oldestDays < 25 && result.readSince !== undefined && result.bytesPerDay > 0);
});

t.test('what a mount reads puts a step off, too', async (t) => {
  const { store, scrub, scrubbing, pass, sleep } = await lab(t);
  const [volume] = (await store.record(store.catalog.find('web', 'latest'))).volumes;
  const [first] = await chunksOf(store, volume ?? { root: new Uint8Array(32), sizeBytes: 0 });
  scrubbing.start();
  await pass(8 * DAY);
  const read = scrub.readBytes;
  for (const ms of [10 * DAY, 5_000, 5_000]) {
    await store.reader.read(ObjectType.chunk, first?.chunk.digest ?? new Uint8Array());
    await sleep(ms);
  }
  t.equal(scrub.readBytes, read, 'what is due waits');
  await sleep(5_000);
  t.ok(scrub.readBytes > read, 'until nobody reads');
});

t.test('what was not read in time is told, until it was', async (t) => {
  const { scrub, scrubbing, pass, sleep, alerts, trouble } = await lab(t);
  scrubbing.start();
  await pass(DAY);
  trouble.error = new UmbraError('STORE_IN_USE', 'the store is being rebuilt');
  await sleep(40 * DAY);
  await pass(60_000);
  t.same(alerts.announced, [], 'while it is rebuilt nobody knows');
  trouble.error = undefined;
  await sleep(60_000);
  t.match(alerts.active.get('scrub-late store'), {
    severity: 'warning',
    text: 'some of the store was not read for 41 days; all of it should be every 30',
    facts: { oldestDays: 41, days: 30 },
  });
  await pass(60_000);
  t.same(alerts.announced, ['begin scrub-late store', 'end scrub-late store'], 'and it was read');
  t.equal((await scrub.figures(30 * DAY)).unreadObjects, 0);
});

t.test('an end in the midst of a step', async (t) => {
  const { clock, scrub, scrubbing, sleep } = await lab(t);
  scrubbing.start();
  await sleep(29 * DAY);
  clock.advance(1);
  await scrubbing.stop();
  clock.advance(DAY);
  t.not((await scrub.figures(30 * DAY)).unreadObjects, 0, 'then nothing is read any more');
});

t.test('all at once, and only if it is wanted', async (t) => {
  const { clock, scrub, scrubbing, pass } = await lab(t, 0);
  scrubbing.start();
  await pass(DAY);
  t.equal(scrub.readBytes, 0, 'nothing by itself');
  t.match(await scrubbing.result(), { isRunning: false, days: 0, bytesPerDay: 0, isLate: false });
  clock.advance(1);
  const said: string[] = [];
  const result = await scrubbing.readAll(new AbortController().signal, ({ what }) => said.push(what));
  t.match(result, { unreadObjects: 0, oldestDays: 0 });
  t.ok(said.length > 0);
});
