import t from 'tap';
import { GrowthSamples, type Cost } from '../../../../scripts/benchmark/growth/samples.js';

const cost = (seconds: number, peakBytes = 1e6): Cost => ({ seconds, processSeconds: seconds / 2, peakBytes });

t.test('medians along an axis, the others being as they are', async (t) => {
  const samples = new GrowthSamples();
  for (const seconds of [9, 1, 2]) samples.add('backup', { copies: 10, gib: 1, machines: 1 }, cost(seconds));
  samples.add('backup', { copies: 10, gib: 100, machines: 1 }, cost(4));
  samples.add('backup', { copies: 10, gib: 10, machines: 1 }, cost(3));
  samples.add('backup', { copies: 100, gib: 100, machines: 1 }, cost(5, 7e6));
  samples.add('backup', { copies: 100, gib: 100, machines: 1 }, cost(5, 5e6));
  samples.add('forget', { copies: 100, gib: 100, machines: 1 }, cost(5, 6e6));
  t.same(samples.series('gib', 'seconds'), [
    {
      operation: 'backup',
      metric: 'seconds',
      axis: 'gib',
      points: [
        { x: 1, y: 2 },
        { x: 10, y: 3 },
        { x: 100, y: 4 },
      ],
    },
  ]);
  t.match(samples.series('copies', 'processSeconds'), [
    {
      operation: 'backup',
      points: [
        { x: 10, y: 2 },
        { x: 100, y: 2.5 },
      ],
    },
  ]);
  t.same(samples.series('machines', 'seconds'), [], 'one point is no series');
  t.equal(samples.peakBytesAt({ copies: 100, gib: 100, machines: 1 }), 7e6);
  t.equal(samples.peakBytesAt({ copies: 1, gib: 1, machines: 1 }), 0);
  t.match(JSON.parse(JSON.stringify(samples)), [{ operation: 'backup', costs: [{}, {}, {}] }, {}, {}, {}, {}]);
});

t.test('where nothing is done, only memory counts', async (t) => {
  const samples = new GrowthSamples();
  for (const copies of [1, 10]) samples.add('idle', { copies, gib: 1, machines: 1 }, cost(0));
  t.same(samples.series('copies', 'seconds'), []);
  t.equal(samples.series('copies', 'peakBytes').length, 1);
});
