import t, { type Test } from 'tap';
import { ObjectType } from '../../../src/codec/formats.js';
import { silentLog } from '../../../src/common/log.js';
import { DamageWatch } from '../../../src/server/damage-watch.js';
import { Scrubbing } from '../../../src/server/scrubbing.js';
import { Scrub } from '../../../src/store/scrub.js';
import type { Store } from '../../../src/store/store.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { UmbraError } from '../../../src/common/errors.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
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
  /** Let time pass; what it begins is waited for. */
  readonly pass: (ms: number) => Promise<void>;
}

async function lab(t: Test, days = 30): Promise<Lab> {
  const clock = new ManualClock();
  const store = await openTestStore(memoryDatabases(), undefined, { clock, boot: () => ({ id: 'b', uptimeMs: 0 }) });
  await backUp(store, 'web', new Random(testSeed(t)).bytes(3_000_000));
  const scrub = await Scrub.open({ store, pool: () => pool, now: () => store.moment(), segmentObjects: 16 });
  const alerts = new RecordedAlerts();
  let turns = 0;
  const scrubbing = new Scrubbing({
    scrub: () => {
      turns++;
      return Promise.resolve(scrub);
    },
    running: () => [],
    days,
    clock,
    log: silentLog,
    alerts,
  });
  t.teardown(() => scrubbing.stop());
  const pass = async (ms: number): Promise<void> => {
    const endMs = clock.now() + ms;
    while (clock.now() < endMs) {
      clock.advance(Math.min(Math.max(1, (clock.nextMs ?? Infinity) - clock.now()), endMs - clock.now()));
      // A turn ends by asking for the next one.
      for (let tries = 0; tries < 200 && (clock.nextMs ?? Infinity) <= clock.now() + 1; tries++) await tick();
      await settled(clock, () => turns);
    }
  };
  return { clock, store, scrub, scrubbing, alerts, pass };
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves when nothing new has begun for a while. */
async function settled(clock: ManualClock, turns: () => number): Promise<void> {
  for (let before = -1; before !== turns();) {
    before = turns();
    for (let idle = 0; idle < 10; idle++) await tick();
    if (clock.nextMs === undefined) break;
  }
}

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

t.test('damage is told once, with whom it touches, and its end', async (t) => {
  const { clock, store, alerts } = await lab(t);
  let changes = 0;
  let error: UmbraError | undefined;
  const watch = new DamageWatch({
    store: () => (error === undefined ? Promise.resolve(store) : Promise.reject(error)),
    fileDamage: () => [],
    onChange: () => changes++,
    clock,
    log: silentLog,
    alerts,
  });
  await watch.look();
  t.match([changes, watch.since('web')], [0, undefined]);
  const [volume] = (await store.record(store.catalog.find('web', 'latest'))).volumes;
  const tree = volume ?? { root: new Uint8Array(32), sizeBytes: 0 };
  const content = await contentOf(store, tree);
  const [first] = await chunksOf(store, tree);
  await damageObject(store, ObjectType.chunk, first?.chunk.digest ?? new Uint8Array());
  await store.reader.read(ObjectType.chunk, first?.chunk.digest ?? new Uint8Array()).catch(() => undefined);
  error = new UmbraError('STORE_IN_USE', 'the store is being rebuilt');
  await watch.look();
  t.equal(changes, 0);
  error = undefined;
  clock.advance(30_000);
  await watch.look();
  t.match([changes, watch.since('web')], [1, clock.now() - 30_000]);
  t.match(alerts.active.get('damage store'), {
    severity: 'critical',
    text: 'one object of the store is damaged: it is in the newest of web',
    facts: { objects: 1, machines: 1 },
  });
  await backUp(store, 'web', content);
  await watch.look();
  t.match([changes, watch.since('web')], [2, undefined]);
  t.same(alerts.announced, ['begin damage store', 'end damage store']);
  await watch.stop();
});

async function contentOf(store: Store, { sizeBytes, root }: { sizeBytes: number; root: Uint8Array }): Promise<Buffer> {
  const content = Buffer.alloc(Math.ceil(sizeBytes / 4096) * 4096);
  for (const { region, chunk } of await chunksOf(store, { sizeBytes, root }))
    (await store.reader.read(ObjectType.chunk, chunk.digest)).copy(content, region * 4194304 + chunk.firstBlock * 4096);
  return content.subarray(0, sizeBytes);
}
