import t from 'tap';
import { IdleTimer } from '../../../src/server/idle.js';
import { ManualClock } from '../../kit/manual-clock.js';

function setUp(idleMs: number): { clock: ManualClock; timer: IdleTimer; state: { needed: boolean; idles: number } } {
  const clock = new ManualClock();
  const state = { needed: false, idles: 0 };
  const timer = new IdleTimer(
    clock,
    idleMs,
    () => state.needed,
    () => (state.idles += 1),
  );
  return { clock, timer, state };
}

void t.test('notices that nothing happened', async (t) => {
  const { clock, state } = setUp(1000);
  clock.advance(999);
  t.equal(state.idles, 0);
  clock.advance(1);
  t.equal(state.idles, 1);
});

void t.test('waits while something is under way, and its time again afterwards', async (t) => {
  const { clock, timer, state } = setUp(1000);
  const first = timer.begin();
  const second = timer.begin();
  clock.advance(5000);
  first();
  first();
  clock.advance(5000);
  t.equal(state.idles, 0, 'ending twice counts once');
  second();
  clock.advance(999);
  t.equal(state.idles, 0);
  clock.advance(1);
  t.equal(state.idles, 1);
});

void t.test('waits while it is needed', async (t) => {
  const { clock, state } = setUp(1000);
  state.needed = true;
  clock.advance(10_000);
  t.equal(state.idles, 0);
  state.needed = false;
  clock.advance(1000);
  t.equal(state.idles, 1);
});

void t.test('Infinity is never', async (t) => {
  const { clock, timer, state } = setUp(Infinity);
  timer.begin()();
  clock.advance(1e12);
  t.equal(state.idles, 0);
});
