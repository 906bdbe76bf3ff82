import t from 'tap';
import { applyKeepRules, type Keepable } from '../../../src/policies/keep.js';
import type { KeepRules } from '../../../src/policies/policy.js';

const LATER = { timeZone: 'UTC', nowMs: Date.parse('2030-01-01T00:00:00Z') };

function copies(...times: readonly string[]): Keepable[] {
  return times.map((time) => ({ name: time, timeMs: Date.parse(time) }));
}

/** The names of those that are kept, sorted. */
function kept(shadowCopies: readonly Keepable[], rules: KeepRules, context = LATER): string[] {
  return applyKeepRules(shadowCopies, rules, context)
    .filter(({ keptBy }) => keptBy.length > 0)
    .map(({ shadowCopy }) => shadowCopy.name)
    .toSorted();
}

/** Dates and results that Proxmox Backup Server tests itself with. */
t.test('as Proxmox Backup Server publishes', (t) => {
  const hours = copies(
    '2019-11-15T09:39:15Z',
    '2019-11-15T10:49:15Z',
    '2019-11-15T10:59:15Z',
    '2019-11-15T11:39:15Z',
    '2019-11-15T11:49:15Z',
    '2019-11-15T11:59:15Z',
  );
  const days = copies(
    '2018-11-15T11:59:15Z',
    '2019-11-15T11:59:15Z',
    '2019-11-21T11:59:15Z',
    '2019-11-22T11:59:15Z',
    '2019-11-29T11:59:15Z',
    '2019-12-01T11:59:15Z',
    '2019-12-02T11:59:15Z',
    '2019-12-03T11:59:15Z',
    '2019-12-04T11:59:15Z',
  );
  const few = copies('2019-12-02T11:59:15Z', '2019-12-03T11:59:15Z', '2019-12-04T11:59:15Z', '2019-12-04T12:59:15Z');
  const cases: readonly (readonly [Keepable[], Omit<KeepRules, 'counting'>, string[]])[] = [
    [hours, { hourly: 3 }, ['11-15T09:39', '11-15T10:59', '11-15T11:59']],
    [hours, { hourly: 2 }, ['11-15T10:59', '11-15T11:59']],
    [days, { daily: 1 }, ['12-04T11:59']],
    [days, { last: 1, daily: 1 }, ['12-03T11:59', '12-04T11:59']],
    [days, { daily: 1, weekly: 1 }, ['12-01T11:59', '12-04T11:59']],
    [days, { daily: 1, weekly: 1, monthly: 1 }, ['11-22T11:59', '12-01T11:59', '12-04T11:59']],
    [days, { monthly: 1, yearly: 1 }, ['11-15T11:59', '12-04T11:59']],
    [few, { last: 4 }, ['12-02T11:59', '12-03T11:59', '12-04T11:59', '12-04T12:59']],
    [few, { last: 3 }, ['12-03T11:59', '12-04T11:59', '12-04T12:59']],
    [few, { last: 2 }, ['12-04T11:59', '12-04T12:59']],
    [few, { last: 1 }, ['12-04T12:59']],
    [few, { last: 2, daily: 2 }, ['12-02T11:59', '12-03T11:59', '12-04T11:59', '12-04T12:59']],
    [few, { daily: 3 }, ['12-02T11:59', '12-03T11:59', '12-04T12:59']],
    [few, { daily: 2 }, ['12-03T11:59', '12-04T12:59']],
    [few, { weekly: 5 }, ['12-04T12:59']],
    [few, { daily: 1, weekly: 5 }, ['12-04T12:59']],
    [few, { monthly: 6 }, ['12-04T12:59']],
    [few, { yearly: 7 }, ['12-04T12:59']],
    [few, { weekly: 5, monthly: 6, yearly: 7 }, ['12-04T12:59']],
  ];
  for (const [list, rules, expected] of cases) {
    const names = kept(list, { counting: 'proxmox', ...rules });
    t.same(
      names.map((name) => name.slice(5, 16)),
      expected,
      JSON.stringify(rules),
    );
  }
  t.equal(kept(days, { counting: 'proxmox', monthly: 1, yearly: 1 })[0], '2018-11-15T11:59:15Z');
  t.end();
});

t.test('a rule of restic that has not counted to its end keeps the oldest, as restic 0.16 and later do', (t) => {
  // https://forum.restic.net/t/help-with-forget-policy/7091
  const list = copies('2024-01-02T13:42:44Z', '2024-01-03T01:04:38Z', '2024-01-04T20:09:54Z', '2024-01-04T20:20:32Z');
  t.same(kept(list, { counting: 'restic', monthly: 4 }), ['2024-01-02T13:42:44Z', '2024-01-04T20:20:32Z']);
  t.same(kept(list, { counting: 'restic', monthly: 1 }), ['2024-01-04T20:20:32Z']);
  t.same(kept(list, { counting: 'proxmox', monthly: 4 }), ['2024-01-04T20:20:32Z']);
  t.end();
});

t.test('it says by which rules each is kept', (t) => {
  const list = copies('2026-01-31T10:00:00Z', '2026-02-01T09:00:00Z', '2026-02-01T10:00:00Z', '2026-02-02T10:00:00Z');
  const why = (rules: KeepRules): (readonly string[])[] =>
    applyKeepRules(list, rules, LATER).map(({ keptBy }) => keptBy);
  t.same(why({ counting: 'proxmox', daily: 1, monthly: 3 }), [['daily 1/1'], [], [], ['monthly 1/3']]);
  t.same(why({ counting: 'restic', daily: 2, monthly: 3 }), [
    ['daily 1/2', 'monthly 1/3'],
    ['daily 2/2'],
    [],
    ['monthly 2/3'],
  ]);
  t.same(
    why({ counting: 'proxmox', days: 1 }),
    [['days 1'], [], [], []],
    'so many days before is no longer within them',
  );
  t.same(why({ counting: 'proxmox', days: 2 }), [['days 2'], ['days 2'], ['days 2'], []]);
  t.same(why({ counting: 'restic' }), [['newest'], [], [], []], 'rules that keep nothing keep the newest');
  t.same(
    applyKeepRules(list, undefined, LATER).map(({ keptBy }) => keptBy),
    list.map(() => ['no rule deletes']),
  );
  t.same(applyKeepRules([], { counting: 'restic', daily: 1 }, LATER), []);
  t.end();
});

t.test('a clock that was wrong for a while deletes nothing', (t) => {
  const list = copies('2026-02-01T10:00:00Z', '2026-02-02T10:00:00Z', '2099-01-01T00:00:00Z');
  const rules: KeepRules = { counting: 'proxmox', days: 3 };
  t.same(
    kept(list, rules, { ...LATER, nowMs: Date.parse('2026-02-02T11:00:00Z') }),
    list.map(({ name }) => name),
  );
  t.same(
    kept(list, rules, { ...LATER, nowMs: 0 }),
    list.map(({ name }) => name),
    'nor does one that stands at 0',
  );
  t.end();
});

t.test('of one instant the newest is the one that was made last', (t) => {
  const list = ['', '-10', '-2'].map((suffix) => ({
    name: `2026-02-01T10-00-00Z${suffix}`,
    timeMs: 1_769_940_000_000,
  }));
  t.same(kept(list, { counting: 'restic', last: 1 }), ['2026-02-01T10-00-00Z-10']);
  t.end();
});

t.test('days, weeks and years begin in the time zone', (t) => {
  const list = copies('2026-12-31T22:30:00Z', '2026-12-31T23:30:00Z');
  const rules: KeepRules = { counting: 'proxmox', yearly: 5 };
  t.same(kept(list, rules), ['2026-12-31T23:30:00Z']);
  t.same(
    kept(list, rules, { ...LATER, timeZone: 'Europe/Zurich' }),
    list.map(({ name }) => name),
  );
  t.end();
});
