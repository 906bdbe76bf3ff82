import t from 'tap';
import { formatGrowth, judge } from '../../../../scripts/benchmark/growth/growth-report.js';
import { GrowthSamples } from '../../../../scripts/benchmark/growth/samples.js';

function measured(): GrowthSamples {
  const samples = new GrowthSamples();
  for (const copies of [1, 10, 100]) {
    const point = { copies, gib: 1, machines: 1 };
    samples.add('backup', point, { seconds: 0.1, processSeconds: 0.05 + copies / 100, peakBytes: 80e6 });
    samples.add('listAll', point, { seconds: 0.002, processSeconds: 0.001 * copies, peakBytes: 30e6 });
  }
  samples.add('listAll', { copies: 1000, gib: 1, machines: 1 }, { seconds: 0.5, processSeconds: 0.9, peakBytes: 30e6 });
  return samples;
}

t.test('tables with figures, exponents and verdicts', async (t) => {
  const text = formatGrowth(measured());
  t.match(text, /^ms of the processors, by shadow copies +1 +10 +100 +1000 +exponent +at the end +may grow/);
  t.match(text, /^backup of an image, a fixed change +60\.0 +150 +1050 +- +0\.62 +0\.85 +no +GROWS$/m);
  t.match(text, /^list all +1\.00 +10\.0 +100 +900 +0\.99 +0\.95 +yes +as it may$/m);
  t.match(
    text,
    /^ms, by shadow copies .*at the end\n[-\s]+\nbackup of an image, a fixed change +100 +100 +100 +- +0\.00 +0\.00$/m,
  );
  t.match(text, /^server's RssAnon at most, MB, by shadow copies/m);
  t.notMatch(text, /by machines|by GiB/, 'of what was not measured there is no table');
});

t.test('time of the processors and memory are judged', async (t) => {
  const grows = judge(measured()).filter(({ verdict }) => verdict === 'GROWS');
  t.match(grows, [{ series: { operation: 'backup', metric: 'processSeconds', axis: 'copies' } }]);
  t.equal(judge(measured()).length, 4);
});
