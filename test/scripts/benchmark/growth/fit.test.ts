import t from 'tap';
import { fitExponents, verdictOf, type FitPoint } from '../../../../scripts/benchmark/growth/fit.js';

const PLACES = [1, 10, 100, 1000];
const along = (y: (x: number) => number): FitPoint[] => PLACES.map((x) => ({ x, y: y(x) }));

t.test('exponents of powers are found', async (t) => {
  for (const exponent of [0, 0.5, 1, 2, -1]) {
    const found = fitExponents(along((x) => 7 * x ** exponent));
    t.ok(Math.abs((found?.all ?? NaN) - exponent) < 1e-9, `all: ${exponent}`);
    t.ok(Math.abs((found?.end ?? NaN) - exponent) < 1e-9, `end: ${exponent}`);
  }
  t.equal(fitExponents([{ x: 10, y: 3 }]), undefined);
  t.equal(fitExponents([]), undefined);
});

t.test('what is constant at first does not hide growth', async (t) => {
  const points = along((x) => 1000 + x * x);
  const { all = NaN, end = NaN } = fitExponents(points) ?? {};
  t.ok(end > 1.9 && all < 1.1, `${all} ${end}`);
  t.equal(verdictOf(points, true, 1), 'GROWS');
});

t.test('verdicts', async (t) => {
  t.equal(
    verdictOf(
      along(() => 5),
      false,
      0.1,
    ),
    'flat',
  );
  t.equal(
    verdictOf(
      along((x) => 5 + x),
      false,
      0.1,
    ),
    'GROWS',
  );
  t.equal(
    verdictOf(
      along((x) => 5 + x),
      true,
      0.1,
    ),
    'as it may',
  );
  t.equal(
    verdictOf(
      along((x) => x ** 1.1),
      true,
      0.1,
    ),
    'as it may',
  );
  t.equal(
    verdictOf(
      along((x) => x ** 1.4),
      true,
      0.1,
    ),
    'GROWS',
    'faster than what it touches',
  );
  t.equal(
    verdictOf(
      along((x) => 5 + x),
      false,
      2000,
    ),
    'flat',
    'less than can be measured',
  );
  t.equal(
    verdictOf(
      along((x) => 100 * x ** 0.19),
      false,
      1,
    ),
    'flat',
    'as measuring again differs',
  );
  const noise = [9, 4, 8].map((y, index) => ({ x: 10 ** index, y }));
  t.equal(verdictOf(noise, false, 0.1), 'flat', 'no more than at the beginning');
  t.equal(verdictOf([{ x: 1, y: 1 }], false, 0.1), 'flat');
});
