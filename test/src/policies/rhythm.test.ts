import t from 'tap';
import type { Rhythm } from '../../../src/policies/policy.js';
import { LEAST_INTERVAL_MS, nextRun, previousRun } from '../../../src/policies/rhythm.js';
import { Random, testSeed } from '../../kit/random.js';
import { CHANGES, showTimes, STEP_MS, type Shown } from '../../kit/wall-clock.js';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

function calendar(...cron: string[]): Rhythm {
  return { kind: 'calendar', cron };
}

function runs(rhythm: Rhythm, zone: string, from: number, to: number): number[] {
  const found: number[] = [];
  for (let at = from; ;) {
    const next = nextRun(rhythm, zone, at);
    if (next === undefined || next >= to) return found;
    found.push(next);
    at = next;
  }
}

/** A calendar of local times, and whether a time of the day is one of them. */
interface Fixed {
  readonly cron: string;
  readonly takes: (hour: number, minute: number) => boolean;
}

const FIXED: readonly Fixed[] = [
  { cron: '30 2 * * *', takes: (hour, minute) => hour === 2 && minute === 30 },
  { cron: '0 0 * * *', takes: (hour, minute) => hour === 0 && minute === 0 },
  { cron: '15,45 0-3 * * *', takes: (hour, minute) => hour <= 3 && minute % 30 === 15 },
  { cron: '*/20 1,2 * * *', takes: (hour, minute) => (hour === 1 || hour === 2) && minute % 20 === 0 },
  { cron: '0 */2 * * *', takes: (hour, minute) => hour % 2 === 0 && minute === 0 },
  { cron: '10 1-23/3 * * *', takes: (hour, minute) => hour % 3 === 1 && minute === 10 },
];

/** By what clocks show: each time once, when it is first shown; those that are skipped, when the clocks show one that is later. */
function fixedRuns({ takes }: Fixed, shown: readonly Shown[]): number[] {
  const found: number[] = [];
  let latest = '';
  let last: Shown | undefined;
  for (const now of shown) {
    if (now.text > latest) {
      const skips = last !== undefined && skippedOf(last, now).some(([hour, minute]) => takes(hour, minute));
      if (skips || takes(now.hour, now.minute)) found.push(now.timeMs);
      latest = now.text;
    }
    last = now;
  }
  return found;
}

/** The times of the day between what is shown one after the other, without both; a day that is missing as a whole has none. */
function skippedOf(last: Shown, now: Shown): [hour: number, minute: number][] {
  const [from, to] = [last, now].map(({ text }) => Date.parse(`${text.replace(' ', 'T')}Z`));
  if (from === undefined || to === undefined || to - from > DAY_MS / 2) return [];
  const skipped: [number, number][] = [];
  for (let at = from + STEP_MS; at < to; at += STEP_MS) {
    const time = new Date(at);
    skipped.push([time.getUTCHours(), time.getUTCMinutes()]);
  }
  return skipped;
}

void t.test('a time of the day comes once each day, as the clocks show it', async (t) => {
  for (const { zone, day } of CHANGES) {
    const from = Date.parse(`${day}T00:00:00Z`) - DAY_MS;
    const to = from + 3 * DAY_MS;
    const shown = showTimes(zone, from, to);
    for (const fixed of FIXED) {
      const expected = fixedRuns(fixed, shown).map(text);
      t.same(runs(calendar(fixed.cron), zone, from - 1, to).map(text), expected, `${fixed.cron} in ${zone}, ${day}`);
      t.not(expected.length, 0);
    }
  }
});

void t.test('what is for every hour goes by the hours that pass', async (t) => {
  for (const { zone, day } of CHANGES) {
    const from = Date.parse(`${day}T00:00:00Z`) - DAY_MS;
    const to = from + 3 * DAY_MS;
    const expected = showTimes(zone, from, to).filter(({ minute }) => minute % 30 === 0);
    const found = runs(calendar('0,30 * * * *'), zone, from - 1, to);
    t.same(
      found.map(text),
      expected.map(({ timeMs }) => text(timeMs)),
      `${zone}, ${day}`,
    );
  }
});

void t.test('of a week that has no such day, and of several expressions', async (t) => {
  const friday = calendar('0 12 * * FRI');
  const from = Date.parse('2011-12-20T00:00:00Z');
  t.same(
    runs(friday, 'Pacific/Apia', from, from + 24 * DAY_MS).map(text),
    ['2011-12-23T22:00', '2012-01-05T22:00', '2012-01-12T22:00'],
    'Samoa had no Friday, 30 December 2011',
  );
  const both = calendar('0 22 * * *', '30 9 * * MON');
  const monday = Date.parse('2027-06-07T00:00:00Z');
  const expected = ['2027-06-07T09:30', '2027-06-07T22:00', '2027-06-08T22:00'];
  t.same(runs(both, 'UTC', monday, monday + 2 * DAY_MS).map(text), expected);
  t.equal(nextRun(calendar('0 0 31 2 *'), 'UTC', monday), undefined, 'there is no such day');
  t.equal(previousRun(calendar('0 0 31 2 *'), 'UTC', monday), undefined);
});

void t.test('what came last is what came next of what was before', async (t) => {
  const random = new Random(testSeed(t));
  for (const { zone, day } of CHANGES) {
    for (const { cron } of FIXED) {
      const rhythm = calendar(cron);
      for (let round = 0; round < 2; round++) {
        const at = Date.parse(`${day}T00:00:00Z`) + random.between(-DAY_MS, 2 * DAY_MS);
        const last = previousRun(rhythm, zone, at) ?? NaN;
        t.ok(last <= at, 'it is not later');
        t.equal(nextRun(rhythm, zone, last - 1), last, 'it is one');
        t.ok((nextRun(rhythm, zone, last) ?? NaN) > at, 'and the last one');
        t.equal(previousRun(rhythm, zone, last), last, 'the moment itself counts');
        t.not(previousRun(rhythm, zone, last - 1), last);
      }
    }
  }
});

void t.test('an interval counts from the begin of the last run', async (t) => {
  const at = Date.parse('2027-03-28T00:30:00Z');
  const hours: Rhythm = { kind: 'interval', everyMs: 4 * 60 * MINUTE_MS };
  t.equal(text(nextRun(hours, 'Europe/Zurich', at) ?? NaN), '2027-03-28T04:30', 'whatever the clocks do');
  t.equal(previousRun(hours, 'Europe/Zurich', at), undefined);
  t.equal(nextRun({ kind: 'interval', everyMs: 0 }, 'UTC', at), at + LEAST_INTERVAL_MS, 'and is never nothing');
});

void t.test('says what is wrong', async (t) => {
  const wrong = ['', '* * * *', '0 0 * * * *', '61 * * * *', '0 25 * * *', '*/0 2 * * *', '5-1 2 * * *', 'x y z'];
  for (const cron of wrong) t.throws(() => nextRun(calendar(cron), 'UTC', 0), { code: 'BAD_ARGUMENT' }, cron);
  t.throws(() => nextRun(calendar('0 0 * * *'), 'Mars/Olympus', 0), { code: 'BAD_ARGUMENT' });
  const many = Array.from({ length: 505 }, (_, index) => `${index % 60} ${index % 23} * * *`);
  for (const cron of many) if (nextRun(calendar(cron), 'UTC', 0) === undefined) t.fail(cron);
});

function text(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 16);
}
