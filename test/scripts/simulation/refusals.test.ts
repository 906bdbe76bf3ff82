import t from 'tap';
import { Circumstances } from '../../../scripts/simulation/circumstances.js';
import { Refusals } from '../../../scripts/simulation/refusals.js';
import { WorldClock } from '../../../scripts/simulation/world-clock.js';

const MINUTE_MS = 60_000;

/** A server on a full disk has refused to have hv2 protect m1. */
function refused(): { readonly refusals: Refusals; readonly roomFor: (ms: number) => void } {
  const clock = new WorldClock(0);
  const circumstances = new Circumstances(clock);
  const refusals = new Refusals(clock, circumstances);
  circumstances.diskFull(true);
  refusals.add({ machine: 'm1', host: 'hv2' });
  const roomFor = (ms: number): void => {
    circumstances.diskFull(false);
    clock.after(ms, () => undefined);
    while (clock.next(Infinity));
  };
  return { refusals, roomFor };
}

void t.test('what was refused may hold after a kill, and nothing else', async (t) => {
  const { refusals } = refused();
  refusals.serverEnded(false);
  t.equal(refusals.mayProtect('m1', 'hv2'), true);
  t.equal(refusals.mayProtect('m1', 'hv1'), false);
  t.equal(refusals.mayProtect('m1', undefined), false);
  t.equal(refusals.mayProtect('m2', 'hv2'), false);
});

void t.test('it does not after an orderly end', async (t) => {
  const { refusals } = refused();
  refusals.serverEnded(true);
  t.equal(refusals.mayProtect('m1', 'hv2'), false);
});

void t.test('nor when there was room for long enough before the kill', async (t) => {
  for (const [minutes, may] of [
    [1, true],
    [11, false],
  ] as const) {
    const { refusals, roomFor } = refused();
    roomFor(minutes * MINUTE_MS);
    refusals.serverEnded(false);
    t.equal(refusals.mayProtect('m1', 'hv2'), may, `${minutes} minutes`);
  }
});
