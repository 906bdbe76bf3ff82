import t from 'tap';
import { dosTimeAtOffsetNs, dosTimeNs } from '../../../../mount/filesystems/fat/dos-time.js';

function date(year: number, month: number, day: number): number {
  return ((year - 1980) << 9) | (month << 5) | day;
}

function time(hours: number, minutes: number, seconds: number): number {
  return (hours << 11) | (minutes << 5) | (seconds >> 1);
}

function iso(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString();
}

t.test('a wall clock is that of the time zone, in summer and in winter', async (t) => {
  const before = process.env['TZ'];
  t.teardown(() => {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  });
  process.env['TZ'] = 'Europe/Berlin';
  t.equal(iso(dosTimeNs(date(2024, 1, 15), time(12, 30, 44))), '2024-01-15T11:30:44.000Z');
  t.equal(iso(dosTimeNs(date(2024, 7, 15), time(12, 30, 44))), '2024-07-15T10:30:44.000Z');
  t.equal(iso(dosTimeNs(date(2107, 12, 31), time(23, 59, 58), 199)), '2107-12-31T22:59:59.990Z');
  process.env['TZ'] = 'America/New_York';
  t.equal(iso(dosTimeNs(date(1999, 7, 4), time(0, 0, 0), 1)), '1999-07-04T04:00:00.010Z');
  process.env['TZ'] = 'UTC';
  t.equal(iso(dosTimeNs(0, 0)), '1980-01-01T00:00:00.000Z');
  t.equal(iso(dosTimeNs(0xffff, 0xffff, 255)), '2108-01-01T08:04:04.550Z', 'what is no time does not stop it');
});

t.test('with a known offset it is not', async (t) => {
  t.equal(iso(dosTimeAtOffsetNs(date(2024, 7, 15), time(12, 30, 44), 150, 120)), '2024-07-15T10:30:45.500Z');
  t.equal(iso(dosTimeAtOffsetNs(date(2024, 7, 15), time(12, 30, 44), 0, -15 * 64)), '2024-07-16T04:30:44.000Z');
});
