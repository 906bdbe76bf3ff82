import t from 'tap';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import type { Policy } from '../../../src/policies/policy.js';
import { planOf } from '../../../src/scheduler/report.js';
import { ScheduleLab } from '../../kit/schedule-lab.js';

const HOUR_MS = 3_600_000;
const START_MS = Date.parse('2027-06-07T09:00:00Z');
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];

function at(cron: string, more: Partial<Policy> = {}): Policy {
  return { ...DEFAULT_POLICY, shadowCopies: { kind: 'calendar', cron: [cron] }, timeZone: 'Europe/Zurich', ...more };
}

void t.test('when each machine is next, and why then', async (t) => {
  const policies = {
    first: { ...DEFAULT_POLICY, shadowCopies: { kind: 'interval', everyMs: 90 * 60_000 } },
    second: DEFAULT_POLICY,
    night: at('0 22 * * *'),
    quiet: at('0 22 * * *', { quiet: [{ days: EVERY_DAY, from: 20 * 60, to: 6 * 60 }] }),
    held: { ...DEFAULT_POLICY, quiet: [{ days: EVERY_DAY, from: 0, to: 12 * 60 }] },
    daily: { ...DEFAULT_POLICY, shadowCopies: { kind: 'interval', everyMs: 24 * HOUR_MS } },
    never: at('0 0 31 2 *', { quiet: [{ days: EVERY_DAY, from: 0, to: 60 }] }),
    always: { ...DEFAULT_POLICY, quiet: [{ days: EVERY_DAY, from: 0, to: 0 }] },
    wrong: at('never ever'),
  } as const;
  const lab = new ScheduleLab({
    startMs: START_MS,
    machines: Object.keys(policies).map((name) => ({ name, host: 'hv1' })),
    policies,
    limits: () => ({ concurrent: 1 }),
    course: () => ({ takesMs: HOUR_MS }),
  });
  await lab.start();
  const { planned, isScheduling } = planOf(lab.scheduler, lab.parts);
  t.ok(isScheduling);
  const turn = '; waits for its turn: 8 run at a time, and as many of its host as that bears';
  t.same(
    planned.map(({ machine, at: time = 'never', reason }) => [
      machine,
      time.slice(5, 16),
      reason.replace(`policy of ${machine}: `, ''),
    ]),
    [
      ['daily', '06-07T09:00', `every 1d${turn}`],
      ['first', '06-07T09:00', 'every 90min; it runs'],
      ['second', '06-07T09:00', `every 4h${turn}`],
      ['held', '06-07T12:00', 'every 4h; then its quiet window ends'],
      ['night', '06-07T20:00', 'at "0 22 * * *" in Europe/Zurich'],
      ['quiet', '06-08T04:00', 'at "0 22 * * *" in Europe/Zurich; then its quiet window ends'],
      ['always', '', 'every 4h; the quiet windows never end'],
      ['never', '', 'at "0 0 31 2 *" in Europe/Zurich; never'],
      ['wrong', '', 'at "never ever" in Europe/Zurich; never'],
    ],
  );
  const others = planOf(lab.scheduler, { ...lab.parts, policyOf: () => at('0 12 * * *') });
  t.same(
    [...new Set(others.planned.map(({ reason }) => reason.replace(/^policy of \w+: /, '').split(';')[0]))],
    ['at "0 12 * * *" in Europe/Zurich'],
  );
  t.match(others.planned.at(-1), { at: '2027-06-07T10:00:00.000Z' }, 'what would be if other policies held');
});
