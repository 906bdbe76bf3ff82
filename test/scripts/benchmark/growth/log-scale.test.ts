import t from 'tap';
import { decades, LogScale } from '../../../../scripts/benchmark/growth/log-scale.js';

t.test('powers of ten around values', async (t) => {
  t.same(decades([3, 40, 0.02]), { first: -2, last: 2 });
  t.same(decades([1, 1000]), { first: 0, last: 3 });
  t.same(decades([5]), { first: 0, last: 1 });
  t.same(decades([1]), { first: 0, last: 1 }, 'never none');
});

t.test('values are placed by their logarithms', async (t) => {
  const scale = new LogScale({ first: -1, last: 2 }, 300, 0);
  t.same(scale.ticks, [0.1, 1, 10, 100]);
  t.same(
    scale.ticks.map((tick) => Math.round(scale.place(tick))),
    [300, 200, 100, 0],
  );
  t.ok(scale.place(3) < 200 && scale.place(3) > 100);
});
