import t from 'tap';
import { formatBytes, formatCount, formatSeconds, formatTime, plural } from '../../../src/cli/format.js';

void t.test('bytes', async (t) => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [10 * 1024 - 1, '10.0 KiB'],
    [1024 * 1024 - 1, '1.00 MiB'],
    [1536 * 1024 * 1024, '1.50 GiB'],
    [123 * 1024 ** 4, '123 TiB'],
    [Number.MAX_SAFE_INTEGER, '8.00 PiB'],
  ];
  for (const [bytes, text] of cases) t.equal(formatBytes(bytes), text);
});

void t.test('counts', async (t) => {
  t.equal(formatCount(0), '0');
  t.equal(formatCount(1234567), '1,234,567');
  t.equal(plural(1, 'chunk'), '1 chunk');
  t.equal(plural(2000, 'copy', 'copies'), '2,000 copies');
});

void t.test('durations', async (t) => {
  t.equal(formatSeconds(0.44), '0.4 s');
  t.equal(formatSeconds(9.96), '10 s');
  t.equal(formatSeconds(59.6), '1 min 0 s');
  t.equal(formatSeconds(200), '3 min 20 s');
  t.equal(formatSeconds(7500), '2 h 5 min');
});

void t.test('times say their offset', async (t) => {
  const text = formatTime('2026-11-22T10:15:00.000Z');
  t.match(text, /^2026-11-2\d \d\d:\d\d:00 [+-]\d\d:\d\d$/);
  t.equal(new Date(text.replace(' ', 'T').replace(' ', '')).toISOString(), '2026-11-22T10:15:00.000Z');
  t.equal(formatTime('nonsense'), 'nonsense');
});
