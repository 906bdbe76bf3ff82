import t from 'tap';
import type { Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { trustedTimeKey } from '../../../src/store/keys.js';
import type { KvStore } from '../../../src/store/kv.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { TrustedTime } from '../../../src/store/trusted-time.js';
import { kvWith } from '../../kit/kv-with.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 10, 29);

/** A machine with a wall clock that can be set, a monotonic clock that can't, and a power switch. */
class Machine {
  readonly meta: KvStore = openMemoryKv();
  wallMs = START_MS;
  uptimeMs = 100 * DAY_MS;
  bootId = 'first';
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  readonly clock: Clock = {
    now: () => this.wallMs,
    monotonic: () => this.uptimeMs,
    after: (delayMs, callback) => {
      const timer = { atMs: this.uptimeMs + delayMs, callback };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      };
    },
  };

  /** Time that passes. */
  async pass(ms: number): Promise<void> {
    this.wallMs += ms;
    this.uptimeMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.uptimeMs);
    this.#timers = this.#timers.filter((timer) => !due.includes(timer));
    for (const { callback } of due) callback();
    await new Promise(setImmediate);
  }

  /** It is off for a while, and starts again. */
  reboot(offMs: number): void {
    this.wallMs += offMs;
    this.uptimeMs = 0;
    this.bootId += "'";
  }

  open(listings: Parameters<typeof TrustedTime.open>[0]['listings'] = [], meta = this.meta): Promise<TrustedTime> {
    const boot = (): { id: string; uptimeMs: number } => ({ id: this.bootId, uptimeMs: this.uptimeMs });
    return TrustedTime.open({ meta, clock: this.clock, boot, listings });
  }

  /** The server ends and another one begins. */
  async reopen(time: TrustedTime): Promise<TrustedTime> {
    time.close();
    return await this.open();
  }
}

t.test('it begins as the wall clock, and goes on with what passes', async (t) => {
  const machine = new Machine();
  const time = await machine.open();
  t.equal(time.now(), START_MS);
  await machine.pass(5 * HOUR_MS);
  t.equal(time.now(), START_MS + 5 * HOUR_MS);
  const next = await machine.reopen(time);
  t.equal(next.now(), START_MS + 5 * HOUR_MS);
  t.equal(next.sinceMs, START_MS);
});

t.test('a wall clock that is set forward is not believed, while it runs or across restarts', async (t) => {
  const machine = new Machine();
  let time = await machine.open();
  machine.wallMs += 365 * DAY_MS;
  await machine.pass(HOUR_MS);
  t.equal(time.now(), START_MS + HOUR_MS);
  time = await machine.reopen(time);
  t.equal(time.now(), START_MS + HOUR_MS);
  machine.wallMs += 365 * DAY_MS;
  time = await machine.reopen(time);
  t.equal(time.now(), START_MS + HOUR_MS);
  machine.reboot(365 * DAY_MS);
  await machine.pass(HOUR_MS);
  time = await machine.reopen(time);
  t.equal(time.now(), START_MS + 2 * HOUR_MS, 'of another start of the machine, what it runs');
});

t.test('a wall clock that is set back stops it for no longer than until the next server', async (t) => {
  const machine = new Machine();
  let time = await machine.open();
  machine.wallMs -= 365 * DAY_MS;
  await machine.pass(MINUTE_MS);
  t.equal(time.now(), START_MS + MINUTE_MS, 'while it runs not at all');
  time = await machine.reopen(time);
  await machine.pass(MINUTE_MS);
  time = await machine.reopen(time);
  await machine.pass(MINUTE_MS);
  t.ok(time.now() >= START_MS + 2 * MINUTE_MS && time.now() <= START_MS + 3 * MINUTE_MS);
});

t.test('what passes between servers counts while the machine is on', async (t) => {
  const machine = new Machine();
  let time = await machine.open();
  for (let day = 1; day <= 3; day += 1) {
    time.close();
    await machine.pass(DAY_MS);
    time = await machine.open();
    t.equal(time.now(), START_MS + day * DAY_MS);
  }
});

t.test('what passes while the machine is off does not count, and what it runs counts once', async (t) => {
  const machine = new Machine();
  let time = await machine.open();
  await machine.pass(HOUR_MS);
  machine.reboot(10 * DAY_MS);
  for (let minutes = 1; minutes <= 3; minutes += 1) {
    await machine.pass(MINUTE_MS);
    time.close();
    time = await machine.open();
    t.equal(time.now(), START_MS + HOUR_MS + minutes * MINUTE_MS);
  }
  time.close();
  machine.reboot(0);
  await machine.pass(MINUTE_MS);
  t.equal(
    (await machine.open()).now(),
    START_MS + HOUR_MS + 2 * MINUTE_MS,
    'each start is noted, however short it lasts',
  );
});

t.test('a store that moves to a machine that runs for long is no older than the wall clock says', async (t) => {
  const machine = new Machine();
  (await machine.open()).close();
  machine.wallMs += HOUR_MS;
  machine.bootId = 'other machine';
  machine.uptimeMs = 500 * DAY_MS;
  t.equal((await machine.open()).now(), START_MS + HOUR_MS);
});

t.test('a machine that stops loses ten minutes at most', async (t) => {
  const machine = new Machine();
  const time = await machine.open();
  for (let minutes = 0; minutes < 25; minutes += 1) await machine.pass(MINUTE_MS);
  time.close();
  machine.reboot(0);
  const next = await machine.open();
  t.ok(
    next.now() >= START_MS + 15 * MINUTE_MS && next.now() <= START_MS + 25 * MINUTE_MS,
    String(next.now() - START_MS),
  );
});

t.test('where the machine does not say when it started, only servers count', async (t) => {
  const machine = new Machine();
  machine.bootId = '';
  const unknown = (): { id: string; uptimeMs: number } => ({ id: '', uptimeMs: 0 });
  const open = (): Promise<TrustedTime> =>
    TrustedTime.open({ meta: machine.meta, clock: machine.clock, boot: unknown, listings: [] });
  const time = await open();
  await machine.pass(20 * MINUTE_MS);
  time.close();
  await machine.pass(DAY_MS);
  t.equal((await open()).now(), START_MS + 20 * MINUTE_MS);
});

const LISTING = { machine: 'web', name: 'x', record: new Uint8Array(), order: 1 };

t.test('without a note it goes on from the newest shadow copy', async (t) => {
  const machine = new Machine();
  const stored = { ...LISTING, timeMs: START_MS, storedAtMs: START_MS - 30 * DAY_MS };
  t.equal((await machine.open([stored])).now(), START_MS - 30 * DAY_MS, 'as after a rebuild');
  const other = new Machine();
  const old = [START_MS - 3 * DAY_MS, START_MS - DAY_MS].map((timeMs) => ({ ...LISTING, timeMs }));
  t.equal((await other.open(old)).now(), START_MS - DAY_MS, 'by wall clocks, where there was no trusted time yet');
  const wrong = new Machine();
  t.equal((await wrong.open([{ ...LISTING, timeMs: START_MS + DAY_MS }])).now(), START_MS);
});

t.test('it is never before a shadow copy that was stored, whatever is noted', async (t) => {
  const machine = new Machine();
  (await machine.open()).close();
  t.equal((await machine.open([{ ...LISTING, timeMs: 0, storedAtMs: START_MS + HOUR_MS }])).now(), START_MS + HOUR_MS);
});

t.test('a damaged note is none, and a full disk does not matter', async (t) => {
  const machine = new Machine();
  (await machine.open()).close();
  for (const value of [Buffer.from('x'), Buffer.alloc(0), Buffer.alloc(40)]) {
    await machine.meta.write([{ type: 'put', key: trustedTimeKey, value }], { sync: true });
    machine.wallMs += DAY_MS;
    t.equal((await machine.open()).now(), machine.wallMs);
  }
  const full = kvWith(openMemoryKv(), { write: () => Promise.reject(new UmbraError('STORE_FULL', 'full')) });
  t.equal((await machine.open([], full)).now(), machine.wallMs);
  const broken = kvWith(openMemoryKv(), { write: () => Promise.reject(new UmbraError('STORE_FAILED', 'broken')) });
  await t.rejects(machine.open([], broken), { code: 'STORE_FAILED' });
});
