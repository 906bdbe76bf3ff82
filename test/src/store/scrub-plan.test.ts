import t from 'tap';
import {
  META_SEGMENT,
  ageMs,
  planScrub,
  scrubFigures,
  type Moment,
  type Segment,
} from '../../../src/store/scrub-plan.js';
import { Random, testSeed } from '../../kit/random.js';

const DAY = 24 * 60 * 60 * 1000;
const PERIOD = 30 * DAY;

function at(ms: number): Moment {
  return { wallMs: ms, trustedMs: ms };
}

function segment(index: number, mark: Moment, isRead = true, objects = 100): Segment {
  return { index, objects, bytes: objects * 1000, mark, isRead };
}

t.test('of two clocks the one counts by which something is older', (t) => {
  t.equal(ageMs(at(1000), at(5000)), 4000);
  t.equal(ageMs({ wallMs: 9000, trustedMs: 1000 }, { wallMs: 2000, trustedMs: 1500 }), 500, 'set back');
  t.equal(ageMs({ wallMs: 1000, trustedMs: 1000 }, { wallMs: 90_000, trustedMs: 1500 }), 89_000, 'off, or set forward');
  t.equal(ageMs(at(5), at(1)), 0);
  t.end();
});

t.test('an empty store waits, and one segment is read in time', (t) => {
  t.match(planScrub([], at(0), PERIOD), { next: undefined, waitMs: Infinity, isLate: false });
  const { waitMs } = planScrub([segment(0, at(0))], at(0), PERIOD);
  t.ok(waitMs > 0 && waitMs <= 0.8 * PERIOD);
  t.match(planScrub([segment(0, at(0))], at(29 * DAY), PERIOD), { waitMs: 0, isBehind: true, isLate: false });
  t.match(planScrub([segment(0, at(0))], at(31 * DAY), PERIOD), { isBehind: true, isLate: true });
  t.end();
});

/** A store over time, whose segments are read when the plan says so. */
class World {
  nowMs = 0;
  /** The trusted clock: what passes while the server is off it does not know. */
  trustedMs = 0;
  wallOffMs = 0;
  segments: Segment[] = [];
  readonly readsOfDay = new Map<number, number>();
  /** When each segment's oldest object was stored, or read last, in real time. */
  readonly real = new Map<number, number>();
  worstMs = 0;
  #next = 0;

  now(): Moment {
    return { wallMs: this.nowMs + this.wallOffMs, trustedMs: this.trustedMs };
  }

  add(count: number): void {
    for (let made = 0; made < count; made++) {
      this.real.set(this.#next, this.nowMs);
      this.segments.push(segment(this.#next++, this.now(), false));
    }
  }

  collect(random: Random, share: number): void {
    this.segments = this.segments.filter(() => !random.chance(share));
  }

  run(days: number): void {
    for (const endMs = this.nowMs + days * DAY; this.nowMs < endMs;) {
      const { next, waitMs } = planScrub(this.segments, this.now(), PERIOD);
      const stepMs = Math.min(Math.max(waitMs, 60_000), DAY / 8, endMs - this.nowMs);
      this.nowMs += stepMs;
      this.trustedMs += stepMs;
      if (waitMs > stepMs || next === undefined) continue;
      this.worstMs = Math.max(this.worstMs, this.nowMs - (this.real.get(next.index) ?? 0));
      this.real.set(next.index, this.nowMs);
      this.segments = this.segments.map((one) =>
        one.index === next.index ? { ...one, mark: this.now(), isRead: true } : one,
      );
      const day = Math.floor(this.nowMs / DAY);
      this.readsOfDay.set(day, (this.readsOfDay.get(day) ?? 0) + 1);
    }
  }

  off(days: number): void {
    this.nowMs += days * DAY;
  }

  mostOn(from: number, to: number): number {
    return Math.max(...Array.from({ length: to - from }, (_, day) => this.readsOfDay.get(from + day) ?? 0));
  }
}

t.test('all is read within the period, evenly', (t) => {
  const world = new World();
  world.add(240);
  world.run(100);
  t.ok(world.worstMs <= 25 * DAY, `${world.worstMs / DAY} days`);
  t.ok(world.mostOn(1, 99) <= 14, `${world.mostOn(1, 99)} segments on the busiest day, 10 on each`);
  t.equal(scrubFigures(world.segments, world.now(), PERIOD, 0).unreadObjects, 0);
  t.end();
});

for (const what of ['servers that are off', 'clocks that are set'] as const) {
  t.test(`while objects come and go, with ${what}`, (t) => {
    const random = new Random(testSeed(t));
    const world = new World();
    world.add(60);
    for (let week = 0; week < 25; week++) {
      world.add(random.between(0, 12));
      world.collect(random, random.fraction() * 0.1);
      world.run(random.between(3, 7));
      if (what === 'servers that are off') world.off(random.between(0, 2));
      else world.wallOffMs = random.between(-100, 5) * DAY;
    }
    t.ok(world.worstMs <= PERIOD, `${world.worstMs / DAY} days`);
    t.end();
  });
}

t.test('who was off for longer than the period catches up, and goes on evenly', (t) => {
  const world = new World();
  world.add(100);
  world.run(40);
  world.off(60);
  t.match(planScrub(world.segments, world.now(), PERIOD), { isBehind: true, isLate: true });
  world.run(2);
  t.match(planScrub(world.segments, world.now(), PERIOD), { isBehind: false, isLate: false });
  const day = Math.floor(world.nowMs / DAY) + 1;
  world.run(60);
  t.ok(world.mostOn(day, day + 58) <= 8, `${world.mostOn(day, day + 58)} on the busiest day`);
  t.end();
});

t.test('figures: the bound, the pass, and what is read a day', (t) => {
  const now = at(20 * DAY);
  const none = scrubFigures([], now, PERIOD, 0);
  t.match(none, { objects: 0, oldestMs: 0, passLeftMs: 0, pass: { begin: undefined, readObjects: 0 } });
  const segments = [
    segment(0, at(10 * DAY)),
    segment(1, at(12 * DAY)),
    segment(2, at(2 * DAY)),
    segment(3, at(3 * DAY)),
  ];
  const figures = scrubFigures(segments, now, PERIOD, 0);
  t.match(figures, { objects: 400, bytes: 400_000, unreadObjects: 0, readSince: at(2 * DAY), oldestMs: 18 * DAY });
  t.match(figures.pass, { begin: at(10 * DAY), readObjects: 200 });
  t.equal(figures.passLeftMs, 12 * DAY);
  t.equal(Math.round(figures.bytesPerDay), 16_667);
  const unread = { ...segment(4, at(19 * DAY), false), bytes: 0 };
  t.match(scrubFigures([...segments, unread], now, PERIOD, 9), {
    bytes: 500_000,
    unreadObjects: 100,
    readSince: undefined,
  });
  const tables = { ...segment(META_SEGMENT, at(19 * DAY), false), bytes: 0 };
  t.match(
    scrubFigures([...segments, tables], now, PERIOD, 9),
    { objects: 400, bytes: 500_000, unreadObjects: 0, readSince: undefined },
    'the tables of the index are work, and no objects',
  );
  t.match(scrubFigures([unread], now, PERIOD, 90_000), { bytes: 90_000, bytesPerDay: 3750 }, 'nothing was read yet');
  t.end();
});
