import t from 'tap';
import { daysBefore, isoWeek, isTimeZone, localTime } from '../../../src/policies/local-time.js';

const ZURICH = 'Europe/Zurich';

function at(text: string): number {
  return Date.parse(text);
}

t.test('time zones are known by name', (t) => {
  for (const name of ['UTC', ZURICH, 'America/St_Johns', 'Etc/GMT+5']) t.ok(isTimeZone(name), name);
  for (const name of ['', 'Europe/Zuerich', 'Mars/Olympus', '../etc']) t.notOk(isTimeZone(name), name);
  t.end();
});

t.test('clocks show what they do', (t) => {
  t.same(localTime(at('2026-03-29T00:59:59Z'), ZURICH), {
    year: 2026,
    month: 3,
    day: 29,
    hour: 1,
    minute: 59,
    second: 59,
  });
  t.same(localTime(at('2026-03-29T01:00:00Z'), ZURICH), {
    year: 2026,
    month: 3,
    day: 29,
    hour: 3,
    minute: 0,
    second: 0,
  });
  t.same(localTime(at('2026-12-31T23:30:00Z'), ZURICH), {
    year: 2027,
    month: 1,
    day: 1,
    hour: 0,
    minute: 30,
    second: 0,
  });
  t.same(localTime(at('2024-02-29T03:00:00Z'), 'America/New_York'), {
    year: 2024,
    month: 2,
    day: 28,
    hour: 22,
    minute: 0,
    second: 0,
  });
  t.equal(localTime(at('2026-06-01T22:00:00Z'), ZURICH).hour, 0, 'midnight is 0, not 24');
  t.end();
});

t.test('days before are days of the calendar', (t) => {
  t.equal(daysBefore(at('2026-03-30T10:00:00Z'), 1, ZURICH), at('2026-03-29T10:00:00Z'));
  t.equal(daysBefore(at('2026-03-30T10:00:00Z'), 2, ZURICH), at('2026-03-28T11:00:00Z'), 'one of 23 hours between');
  t.equal(daysBefore(at('2026-10-26T10:00:00Z'), 2, ZURICH), at('2026-10-24T09:00:00Z'), 'one of 25');
  t.equal(daysBefore(at('2024-03-01T12:00:00Z'), 1, 'UTC'), at('2024-02-29T12:00:00Z'));
  const skipped = daysBefore(at('2026-03-30T00:30:00Z'), 1, ZURICH);
  t.ok([at('2026-03-29T00:30:00Z'), at('2026-03-29T01:30:00Z')].includes(skipped), 'a time that clocks skip');
  t.end();
});

t.test('weeks are those of ISO 8601', (t) => {
  const week = (day: string): string => {
    const { year, week: number } = isoWeek(localTime(at(`${day}T12:00:00Z`), 'UTC'));
    return `${year}-W${String(number).padStart(2, '0')}`;
  };
  // https://en.wikipedia.org/wiki/ISO_week_date has these.
  const known = {
    '1977-01-01': '1976-W53',
    '1977-01-03': '1977-W01',
    '1978-01-01': '1977-W52',
    '1979-12-31': '1980-W01',
    '1980-12-28': '1980-W52',
    '1981-12-31': '1981-W53',
    '1982-01-03': '1981-W53',
    '1969-12-28': '1969-W52',
    '1969-12-29': '1970-W01',
    '2020-12-31': '2020-W53',
    '2021-01-04': '2021-W01',
    '2024-12-30': '2025-W01',
  };
  for (const [day, name] of Object.entries(known)) t.equal(week(day), name, day);
  t.end();
});
