import t from 'tap';
import { Random, testSeed } from '../../random.js';
import { planOf } from './plan.js';

const NAMES = ['agent killed', 'network cut', 'server killed'];

t.test('what happens in a round is chosen before it begins', (t) => {
  const seed = testSeed(t);
  t.same(planOf(new Random(seed), true, NAMES).steps, [], 'nothing is struck in the first one');
  const plans = Array.from({ length: 200 }, (_, round) => planOf(new Random(seed + round), false, NAMES));
  t.same(planOf(new Random(seed), false, NAMES), plans[0], 'a seed repeats it');
  const steps = plans.flatMap((plan) => plan.steps);
  t.ok(plans.some((plan) => plan.steps.length === 0));
  t.same(new Set(steps.flatMap(({ strikes }) => strikes)), new Set(NAMES));
  t.same(
    new Set(steps.map(({ strikes }) => new Set(strikes).size)),
    new Set([1, 2]),
    'never one of them twice at once',
  );
  for (const { seconds, steps: planned } of plans) {
    const began = planned.map((_, index) =>
      planned.slice(0, index + 1).reduce((ms, { afterMs, downMs }, at) => ms + afterMs + (at < index ? downMs : 0), 0),
    );
    if (began.some((ms) => ms >= seconds * 1000)) t.fail(`seed ${seed}: a strike after the storm`);
  }
  t.end();
});
