import t from 'tap';
import type { Input } from '../../../scripts/benchmark/input.js';
import { parseOptions } from '../../../scripts/benchmark/options.js';
import { formatReport, makeReport, reportRows } from '../../../scripts/benchmark/report.js';
import { addSample, type Samples } from '../../../scripts/benchmark/scenarios.js';

const INPUT: Input = {
  images: { a: '/a', a2: '/a2', b: '/b', many: '/many' },
  dataBytes: { a: 440e6, a2: 500e6, b: 740e6, many: 200e6 },
  imageBytes: 2048 * 1024 ** 2,
  changedBytes: 81e6,
};

function someSamples(): Samples {
  const samples: Samples = {};
  for (const value of [30, 10, 20]) addSample(samples, 'read', 'borg', value);
  for (const value of [50, 60]) addSample(samples, 'read', 'umbra', value);
  addSample(samples, 'first', 'borg', 3);
  return samples;
}

t.test('rows have medians and advantages and stand in the order of the table', async (t) => {
  const rows = reportRows(someSamples());
  t.strictSame(
    rows.map((row) => row.name),
    ['first', 'read'],
  );
  t.strictSame(rows[1]?.medians, { borg: 20, umbra: 55 });
  t.strictSame(rows[1]?.advantages, { borg: 2.75 });
  t.strictSame(rows[1]?.samples['borg'], [30, 10, 20]);
  t.strictSame(rows[0]?.advantages, {}, 'nothing to compare with');
});

t.test('the printed table names everything that it was measured on', async (t) => {
  const options = parseOptions(['--rounds', '2'], {});
  const report = makeReport(options, INPUT, { borg: 'borg 1.2.4', umbra: '0.1.0' }, someSamples(), []);
  const text = formatReport(report, ['umbra', 'borg']);
  t.match(text, /^scenario +unit +umbra +borg +vs borg$/m);
  t.match(text, /^first backup of A +s +- +3.00 +-$/m);
  t.match(text, /^read a whole volume.* MB\/s +55.0 +20.0 +2.75x$/m);
  t.match(text, /2048 MiB, scale full, seed 1; data: a 440 MB/);
  t.match(text, /Programs: borg 1.2.4; umbra 0.1.0\./);
  t.notMatch(formatReport(report, ['borg']), /vs/, 'no ratios without Umbra');
});
