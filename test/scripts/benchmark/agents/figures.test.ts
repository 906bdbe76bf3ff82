import t from 'tap';
import { Figures } from '../../../../scripts/benchmark/agents/figures.js';

t.test('medians in a table, all samples in JSON', async (t) => {
  const figures = new Figures('title');
  for (const value of [3, 1, 2]) figures.add('s', 'umbra', value);
  figures.add('s', 'other', 10);
  figures.add('MB', 'umbra', 7);
  figures.note('on a machine');
  t.equal(figures.median('s', 'umbra'), 2);
  t.equal(figures.median('MB', 'other'), undefined);
  t.equal(
    figures.format(),
    [
      'title  umbra  other',
      '-----  -----  -----',
      's       2.00   10.0',
      'MB      7.00      -',
      '  on a machine',
      '',
    ].join('\n'),
  );
  t.same(JSON.parse(JSON.stringify(figures)), {
    title: 'title',
    figures: { s: { umbra: [3, 1, 2], other: [10] }, MB: { umbra: [7] } },
    notes: ['on a machine'],
  });
});
