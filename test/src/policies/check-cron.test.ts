import t from 'tap';
import { checkCron, longestPause } from '../../../src/policies/check-cron.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

t.test('the longest pause between two times of a calendar', (t) => {
  const cases: readonly (readonly [pauseMs: number | undefined, ...cron: string[]])[] = [
    [24 * HOUR_MS, '0 22 * * *'],
    [14 * HOUR_MS + 20 * MINUTE_MS, '*/20 8-17 * * *'],
    [HOUR_MS, '7 * * * *'],
    [MINUTE_MS, '* * * * *'],
    [45 * MINUTE_MS, '0,45 * * * *'],
    [30 * MINUTE_MS, '0 * * * *', '30 * * * *'],
    [3 * DAY_MS, '0 22 * * MON-FRI'],
    [62 * HOUR_MS + 20 * MINUTE_MS, '*/20 8-17 * * 1-5'],
    [2 * DAY_MS, '0 8 * * MON,WED,FRI', '0 8 * * SAT'],
    [24 * HOUR_MS, '0 22 * * MON-FRI', '0 22 * * *'],
    [7 * DAY_MS, '@weekly'],
    [31 * DAY_MS, '@monthly'],
    [59 * DAY_MS, '0 0 29 * *'],
    [365 * DAY_MS, '0 0 24 12 *'],
    [1461 * DAY_MS, '0 0 29 2 *'],
    [31 * DAY_MS, '0 0 29 2 *', '0 0 1 * *'],
    [undefined, '0 0 30 2 *'],
    [undefined],
  ];
  for (const [pauseMs, ...cron] of cases) t.equal(longestPause(cron), pauseMs, cron.join(' and '));
  t.end();
});

t.test('what is no calendar, and what never comes', (t) => {
  t.equal(checkCron('0 22 * * MON-FRI', 'UTC', 0), undefined);
  t.match(checkCron('0 25 * * *', 'UTC', 0), /is no calendar/);
  t.equal(checkCron('0 0 30 2 *', 'UTC', 0), 'never comes');
  t.end();
});
