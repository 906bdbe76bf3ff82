import t from 'tap';
import { keptBy, type Kept, type Rules } from '../../../scripts/simulation/retention.js';
import { dueOn, isQuiet } from '../../../scripts/simulation/local-clock.js';
import { applyKeepRules } from '../../../src/policies/keep.js';
import { nextRun } from '../../../src/policies/rhythm.js';
import { shadowCopyName } from '../../../src/common/names.js';
import { Random, testSeed } from '../../kit/random.js';

const DAY_MS = 86_400_000;
const BEGIN_MS = Date.parse('2027-03-01T00:00:00Z');

void t.test('what a model keeps is what rules keep', (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 20; round += 1) {
    const points: Kept[] = Array.from({ length: random.between(1, 40) }, (_, index) => {
      const timeMs = BEGIN_MS + random.below(120 * DAY_MS);
      return { timeMs, name: shadowCopyName(timeMs, index + 1) };
    });
    const rules: Rules = {
      counting: random.chance(0.5) ? 'restic' : 'proxmox',
      last: random.between(1, 3),
      hourly: random.below(3),
      daily: random.below(5),
      weekly: random.below(4),
      monthly: random.below(3),
      yearly: random.below(2),
    };
    const nowMs = BEGIN_MS + 120 * DAY_MS;
    const kept = applyKeepRules(points, rules, { timeZone: 'Europe/Zurich', nowMs })
      .filter(({ keptBy: by }) => by.length > 0)
      .map(({ shadowCopy }) => shadowCopy.name);
    t.same([...keptBy(points, rules, 'Europe/Zurich', nowMs)].sort(), kept.sort(), JSON.stringify(rules));
  }
  t.end();
});

void t.test('a model is due when calendars are, also where clocks are set', (t) => {
  const cases = [
    ['Europe/Zurich', '2027-03-28', 150],
    ['Europe/Zurich', '2027-10-31', 150],
    ['Australia/Lord_Howe', '2027-10-03', 135],
    ['America/Havana', '2027-03-14', 0],
  ] as const;
  for (const [timeZone, date, minute] of cases) {
    const middle = Math.floor(Date.parse(`${date}T00:00:00Z`) / DAY_MS);
    const modelled = [-2, -1, 0, 1, 2].flatMap((day) => dueOn({ minutes: [minute] }, timeZone, middle + day));
    const cron = [`${minute % 60} ${Math.floor(minute / 60)} * * *`];
    const runs: number[] = [];
    for (let at: number | undefined = (middle - 2) * DAY_MS - 1; runs.length < modelled.length; runs.push(at)) {
      at = nextRun({ kind: 'calendar', cron }, timeZone, at);
      if (at === undefined) break;
    }
    t.same(modelled, runs, `${timeZone} ${date}`);
  }
  t.end();
});

void t.test('a window may reach over midnight', (t) => {
  const night = [{ weekdays: [6], from: 22 * 60, to: 120 }];
  const at = (time: string): boolean => isQuiet(night, 'UTC', Date.parse(time));
  t.same(['2027-03-06T21:59:00Z', '2027-03-06T22:00:00Z', '2027-03-07T01:59:00Z', '2027-03-07T02:00:00Z'].map(at), [
    false,
    true,
    true,
    false,
  ]);
  t.end();
});
