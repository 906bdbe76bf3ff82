import t from 'tap';
import { LEAST_BYTES, LEAST_HISTORY, suddenChange, type Change } from '../../../src/policies/sudden-change.js';
import { Random, testSeed } from '../../kit/random.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const HOUR = 3_600_000;

interface Figures {
  readonly changed: number;
  readonly incompressible?: number;
  readonly hours?: number;
}

/** Of a machine with 100 GiB, every four hours. */
function change({ changed, incompressible = changed / 4, hours = 4 }: Figures, comparedBytes = 100 * GIB): Change {
  return { elapsedMs: hours * HOUR, comparedBytes, changedBytes: changed, incompressibleBytes: incompressible };
}

/** What of a series is too much, one after the other, each known to those behind it. @returns their indices */
function alarms(series: readonly Change[], sensitivity: 'low' | 'normal' | 'high' = 'normal'): number[] {
  return series.flatMap((each, index) => (suddenChange(series.slice(0, index), each, sensitivity) ? [index] : []));
}

/** Around `bytes`, as a machine does that has much to do on one day and little on another: from a third of it to three times. */
function noisy(random: Random, bytes: number): number {
  return bytes * 3 ** (random.below(2001) / 1000 - 1);
}

t.test('what changes as usual raises no alarm, in 150 days of each kind of machine', async (t) => {
  const random = new Random(testSeed(t));
  const of = (days: number, each: (day: number) => Figures): Change[] =>
    Array.from({ length: days }, (_, day) => change({ hours: 24, ...each(day) }));
  const machines: Record<string, Change[]> = {
    constant: of(150, () => ({ changed: 2 * GIB })),
    idle: of(150, () => ({ changed: random.below(20) * MIB })),
    noisy: of(150, () => ({ changed: noisy(random, 3 * GIB) })),
    growing: of(150, (day) => ({ changed: noisy(random, GIB) * 1.005 ** day })),
    'a day of updates each month': of(150, (day) => ({
      changed: day % 30 === 29 ? 9 * GIB : noisy(random, 300 * MIB),
    })),
  };
  for (const [name, series] of Object.entries(machines)) t.same(alarms(series), [], name);
});

t.test('a weekly job that rewrites most of it raises one alarm for each of its first two times', async (t) => {
  const random = new Random(testSeed(t));
  const series = Array.from({ length: 42 * 5 }, (_, index) =>
    change({ changed: index % 42 === 41 ? 80 * GIB + random.below(5) * GIB : noisy(random, 300 * MIB) }),
  );
  t.same(alarms(series), [41, 83]);
});

t.test('the first shadow copy after a long outage may have changed as much more', async (t) => {
  const series = Array.from({ length: 40 }, () => change({ changed: 2 * GIB, hours: 24 }));
  t.same(suddenChange(series, change({ changed: 28 * GIB, hours: 14 * 24 }), 'normal'), undefined);
  t.match(suddenChange(series, change({ changed: 28 * GIB, hours: 24 }), 'normal'), { kind: 'changed' });
  t.match(
    suddenChange(series, change({ changed: 99 * GIB, incompressible: 99 * GIB, hours: 4 * 24 }), 'normal'),
    { kind: 'changed', bytes: 99 * GIB, usualBytes: 2 * GIB },
    'an outage does not hide everything',
  );
  const after = [
    ...series,
    change({ changed: 28 * GIB, hours: 14 * 24 }),
    change({ changed: 28 * GIB, hours: 14 * 24 }),
  ];
  t.match(
    suddenChange(after, change({ changed: 28 * GIB, hours: 24 }), 'normal'),
    { kind: 'changed' },
    'nor makes it usual',
  );
});

t.test('a program that encrypts raises one, however the machine usually is', async (t) => {
  const random = new Random(testSeed(t));
  for (const usual of [0, 50 * MIB, GIB, 4 * GIB]) {
    const series = Array.from({ length: 60 }, () => change({ changed: noisy(random, usual) }));
    const attack = change({ changed: 30 * GIB, incompressible: 30 * GIB });
    t.match(suddenChange(series, attack, 'normal'), { bytes: 30 * GIB }, `${usual} bytes are usual`);
    t.match(suddenChange(series, attack, 'high'), { bytes: 30 * GIB });
  }
  const quiet = Array.from({ length: 60 }, () => change({ changed: noisy(random, 100 * MIB) }));
  const slow = change({ changed: 6 * GIB, incompressible: 6 * GIB });
  t.match(suddenChange(quiet, slow, 'normal'), { kind: 'incompressible', bytes: 6 * GIB });
  t.equal(suddenChange(quiet, change({ changed: 6 * GIB, incompressible: GIB }), 'normal'), undefined, 'an update');
  t.equal(suddenChange(quiet, slow, 'low'), undefined, 'less than a fifth');
  t.equal(suddenChange(quiet, slow, 'off'), undefined);
  t.match(
    suddenChange(quiet, change({ changed: 25 * GIB, incompressible: 25 * GIB }, 8000 * GIB), 'normal'),
    { kind: 'incompressible' },
    'an archive beside it hides nothing',
  );
});

t.test('with little to compare with, or little that changed, there is no alarm', async (t) => {
  const all = change({ changed: 100 * GIB, incompressible: 100 * GIB });
  const short = Array.from({ length: LEAST_HISTORY - 1 }, () => change({ changed: MIB }));
  t.equal(suddenChange(short, all, 'high'), undefined);
  const enough = [...short, change({ changed: MIB })];
  t.match(suddenChange(enough, all, 'low'), { kind: 'changed', usualBytes: MIB });
  const small = change({ changed: LEAST_BYTES, incompressible: LEAST_BYTES }, 40 * MIB);
  t.equal(suddenChange(enough, small, 'high'), undefined, 'a small machine that is written anew');
});
