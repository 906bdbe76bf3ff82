import t from 'tap';
import { FailedTries } from '../../../src/access/failed-tries.js';
import { ManualClock } from '../../kit/manual-clock.js';

void t.test('ten tries may fail in a row, then one in six seconds', async (t) => {
  const clock = new ManualClock();
  const tries = new FailedTries(clock);
  for (let number = 0; number < 10; number += 1) {
    t.equal(tries.waitMs('::1'), 0);
    tries.failed('::1');
  }
  t.equal(tries.waitMs('::1'), 6000);
  t.equal(tries.waitMs('::2'), 0, 'others are not held up');
  clock.advance(6000);
  t.equal(tries.waitMs('::1'), 0);
  tries.failed('::1');
  t.equal(tries.waitMs('::1'), 6000);
  clock.advance(60_000);
  for (let number = 0; number < 9; number += 1) tries.failed('::1');
  t.equal(tries.waitMs('::1'), 0, 'all tries are back after a minute');
  t.equal(tries.total, 20);
});

void t.test('it remembers so many addresses, those that failed last', async (t) => {
  const tries = new FailedTries(new ManualClock());
  const exhaust = (address: string): void => {
    for (let number = 0; number < 10; number += 1) tries.failed(address);
  };
  exhaust('first');
  exhaust('second');
  for (let number = 0; number < 4095; number += 1) tries.failed(`10.0.${number}`);
  t.equal(tries.waitMs('first'), 0);
  t.equal(tries.waitMs('second'), 6000);
});
