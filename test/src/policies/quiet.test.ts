import t from 'tap';
import type { QuietWindow } from '../../../src/policies/policy.js';
import { quietUntil } from '../../../src/policies/quiet.js';
import { CHANGES, showTimes, STEP_MS, type Shown } from '../../kit/wall-clock.js';

const DAY_MS = 86_400_000;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];

const WINDOWS: Readonly<Record<string, QuietWindow>> = {
  'over midnight': { days: EVERY_DAY, from: 22 * 60, to: 6 * 60 },
  'before the change': { days: EVERY_DAY, from: 0, to: 90 },
  'over the change': { days: EVERY_DAY, from: 30, to: 4 * 60 },
  'within a day': { days: [1, 6, 0], from: 8 * 60, to: 18 * 60 + 30 },
  'a whole day': { days: [0], from: 0, to: 0 },
};

/**
 * By what clocks show: a window begins when its start, or a later time of that day where the start is skipped, is shown first, and
 * ends when its end is shown last, or where that is skipped a later time.
 */
function quietTimes({ days, from, to }: QuietWindow, shown: readonly Shown[]): boolean[] {
  const dates = [...new Set(shown.map(({ text }) => text.slice(0, 10)))];
  const quiet = shown.map(() => false);
  for (const [index, date] of dates.entries()) {
    const weekday = shown.find(({ text }) => text.startsWith(date))?.weekday ?? '';
    if (!days.includes(DAYS.indexOf(weekday))) continue;
    const endDate = to > from ? date : (dates[index + 1] ?? '9999');
    const begin = shown.findIndex(({ text }) => text >= `${date} ${clock(from)}`);
    const last = shown.findLastIndex(({ text }) => text <= `${endDate} ${clock(to)}`);
    const end = shown[last]?.text === `${endDate} ${clock(to)}` ? last : last + 1;
    if (begin >= 0) for (let at = begin; at < end; at++) quiet[at] = true;
  }
  return quiet;
}

void t.test('is quiet as the clocks show it', async (t) => {
  for (const { zone, day } of CHANGES) {
    // A day more on both sides: what began before it is not known there.
    const from = Date.parse(`${day}T00:00:00Z`) - 2 * DAY_MS;
    const shown = showTimes(zone, from, from + 5 * DAY_MS);
    for (const [name, window] of Object.entries(WINDOWS)) {
      const quiet = quietTimes(window, shown);
      let wrong = 0;
      for (let at = DAY_MS / STEP_MS; at < (4 * DAY_MS) / STEP_MS; at++) {
        const end = quietUntil([window], zone, from + at * STEP_MS);
        const expected = quiet[at] === true ? from + quiet.indexOf(false, at) * STEP_MS : undefined;
        if (end !== expected) wrong++;
      }
      t.equal(wrong, 0, `${name} in ${zone}, ${day}`);
    }
  }
});

void t.test('windows that touch are one, and may never end', async (t) => {
  const at = Date.parse('2027-06-07T09:00:00Z');
  const work = { days: [1, 2, 3, 4, 5], from: 8 * 60, to: 12 * 60 };
  const later = { days: [1], from: 11 * 60, to: 15 * 60 };
  t.equal(quietUntil([later, work], 'UTC', at), Date.parse('2027-06-07T15:00:00Z'));
  t.equal(quietUntil([], 'UTC', at), undefined);
  t.equal(quietUntil([{ days: [], from: 0, to: 0 }], 'UTC', at), undefined, 'no day');
  t.equal(quietUntil([{ days: EVERY_DAY, from: 0, to: 0 }], 'UTC', at), Infinity);
  const nearly = { days: EVERY_DAY, from: 0, to: 1439 };
  t.equal(quietUntil([nearly], 'UTC', at), Date.parse('2027-06-07T23:59:00Z'));
  t.throws(() => quietUntil([work], 'Mars/Olympus', at), { code: 'BAD_ARGUMENT' });
});

void t.test('a day that was left out had no window of its own', async (t) => {
  const friday = { days: [5], from: 12 * 60, to: 13 * 60 };
  for (let hour = 0; hour < 48; hour++) {
    t.equal(quietUntil([friday], 'Pacific/Apia', Date.parse('2011-12-29T10:30:00Z') + hour * 3_600_000), undefined);
  }
});

function clock(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
}
