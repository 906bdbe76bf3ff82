import t from 'tap';
import { formatFigure, formatRatio, formatTable } from '../../../scripts/benchmark/table.js';

t.test('columns are aligned, the first to the left and the others to the right', async (t) => {
  const table = formatTable([
    ['scenario', 'umbra', 'borg'],
    ['first', '1.2', '10.5'],
    ['a long name', '100'],
  ]);
  const expected = [
    'scenario     umbra  borg',
    '-----------  -----  ----',
    'first          1.2  10.5',
    'a long name    100',
    '',
  ];
  t.equal(table, expected.join('\n'));
});

t.test('figures have about three significant digits', async (t) => {
  t.equal(formatFigure(undefined), '-');
  t.equal(formatFigure(0), '0');
  t.equal(formatFigure(0.03123), '0.0312');
  t.equal(formatFigure(4.5678), '4.57');
  t.equal(formatFigure(45.678), '45.7');
  t.equal(formatFigure(45678.9), '45679');
  t.equal(formatFigure(-1.5), '-1.50');
});

t.test('ratios carry a sign of what they are', async (t) => {
  t.equal(formatRatio(2.345), '2.35x');
  t.equal(formatRatio(undefined), '-');
});
