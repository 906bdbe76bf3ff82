import t from 'tap';
import { dataLossOf, usedUp } from '../../../src/policies/data-loss.js';

const NOW_MS = Date.UTC(2026, 10, 29, 8);
const HOUR_MS = 3_600_000;
const dataLossMs = 4 * HOUR_MS;

void t.test('it is late from three quarters of what is acceptable on, and a breach beyond that', async (t) => {
  const states = [0, 3 * HOUR_MS, 3 * HOUR_MS + 1, dataLossMs, dataLossMs + 1].map((ageMs) => {
    const { state, breachInMs } = dataLossOf({ newest: { timeMs: NOW_MS - ageMs }, dataLossMs }, NOW_MS);
    return [state, breachInMs];
  });
  t.same(states, [
    ['ok', dataLossMs + 1],
    ['ok', HOUR_MS + 1],
    ['late', HOUR_MS],
    ['late', 1],
    ['breach', undefined],
  ]);
});

void t.test('a machine that never had a replica counts from when it was planned for', async (t) => {
  const sinceMs = NOW_MS - 5 * HOUR_MS;
  t.match(dataLossOf({ sinceMs, dataLossMs }, NOW_MS), { ageMs: 5 * HOUR_MS, state: 'breach' });
  t.match(dataLossOf({ sinceMs, newest: { timeMs: NOW_MS }, dataLossMs }, NOW_MS), { ageMs: 0, state: 'ok' });
  const unknown = dataLossOf({ dataLossMs }, NOW_MS);
  t.same(unknown, { acceptableMs: dataLossMs, state: 'breach' }, 'nothing is planned to make one');
  t.equal(usedUp(unknown), Infinity);
});

void t.test('a replica of the future is as old as it has certainly been there for', async (t) => {
  const timeMs = NOW_MS + 1000 * HOUR_MS;
  t.match(dataLossOf({ newest: { timeMs, leastAgeMs: 5 * HOUR_MS }, dataLossMs }, NOW_MS), { state: 'breach' });
  t.match(dataLossOf({ newest: { timeMs, leastAgeMs: HOUR_MS }, dataLossMs }, NOW_MS), { ageMs: HOUR_MS, state: 'ok' });
  t.match(dataLossOf({ newest: { timeMs }, dataLossMs }, NOW_MS), { ageMs: 0 });
});
