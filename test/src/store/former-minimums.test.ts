import t from 'tap';
import {
  formerMinimumOf,
  parseFormerMinimum,
  rememberMinimums,
  type FormerMinimum,
} from '../../../src/store/former-minimums.js';
import { Random } from '../../kit/random.js';

function former(minimumAgeMs: number, untilMs: number, machine = 'web'): FormerMinimum {
  return { machine, minimumAgeMs, untilMs };
}

t.test('it counts for what came before it was made shorter, of its machine', (t) => {
  const formers = [former(100, 10), former(50, 30), former(500, 30, 'db')];
  t.equal(formerMinimumOf(formers, 'web', 5), 100);
  t.equal(formerMinimumOf(formers, 'web', 10), 100);
  t.equal(formerMinimumOf(formers, 'web', 11), 50);
  t.equal(formerMinimumOf(formers, 'web', 31), 0);
  t.equal(formerMinimumOf(formers, 'none', 0), 0);
  t.end();
});

t.test('few are remembered, and none of them counts for less', (t) => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = new Random(seed);
    const all: FormerMinimum[] = [];
    let remembered: FormerMinimum[] = [];
    let nowMs = 0;
    for (let change = 0; change < 40; change += 1) {
      nowMs += random.below(20);
      const shortened = [former(random.between(1, 1000), nowMs, random.chance(0.5) ? 'web' : 'db')];
      all.push(...shortened);
      remembered = rememberMinimums(remembered, shortened, nowMs);
    }
    t.ok(remembered.length <= 16);
    for (let since = 0; since <= nowMs; since += 7) {
      const wanted = formerMinimumOf(all, 'web', since);
      const least = since + wanted > nowMs ? wanted : 0;
      t.ok(formerMinimumOf(remembered, 'web', since) >= least, `seed ${seed}, ${since}`);
    }
  }
  t.same(rememberMinimums([former(5, 10)], [], 15), [], 'what matters no more is not');
  t.same(rememberMinimums([former(5, 10)], [former(7, 11)], 12), [former(7, 11)], 'nor what another counts for');
  t.end();
});

t.test('what is not right in settings is left out', (t) => {
  const bad = [
    null,
    5,
    {},
    former(0, 1),
    former(1, -1),
    { ...former(1, 1), machine: '/' },
    { ...former(1, 1), untilMs: 'x' },
  ];
  t.same([...bad, former(1, 2)].flatMap(parseFormerMinimum), [former(1, 2)]);
  t.end();
});
