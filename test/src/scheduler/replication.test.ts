import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import type { Policy } from '../../../src/policies/policy.js';
import { fleetStatus, watchedMachines } from '../../../src/scheduler/fleet.js';
import { listJobs, planOf } from '../../../src/scheduler/report.js';
import { MOST_ENDED, ScheduleLab, type Course } from '../../kit/schedule-lab.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START_MS = Date.parse('2027-06-07T09:00:00Z');
const HOURLY: Policy = {
  ...DEFAULT_POLICY,
  replicate: { kind: 'interval', everyMs: HOUR_MS },
  dataLossMs: 3 * HOUR_MS,
};
const NIGHTLY: Policy = { ...HOURLY, shadowCopies: { kind: 'calendar', cron: ['0 22 * * *'] } };

function labOf(policy: Policy, course: (machine: string) => Course = () => ({ takesMs: 5 * MINUTE_MS })): ScheduleLab {
  return new ScheduleLab({
    startMs: START_MS,
    machines: [{ name: 'web', host: 'hv1' }],
    policies: { web: policy },
    course,
  });
}

function begun(lab: ScheduleLab): string[] {
  return lab.tried.map(({ beganMs, kind }) => `${new Date(beganMs).toISOString().slice(11, 16)} ${kind}`);
}

void t.test('replicated between shadow copies, which are replications, too', async (t) => {
  const lab = labOf(HOURLY);
  const scheduler = await lab.start();
  await lab.run(5.5 * HOUR_MS);
  t.same(begun(lab), [
    '09:00 shadow-copy',
    '10:00 replicate',
    '11:00 replicate',
    '12:00 replicate',
    '13:00 shadow-copy',
    '14:00 replicate',
  ]);
  const last = scheduler.book.last('web', 'replicate');
  t.match(last, { state: 'done', consistency: 'crash', shadowCopy: undefined });
  t.match((await scheduler.book.find(last?.id ?? 0)).log.at(-1), { text: 'the replica is as of copy-5, crash' });
  const [status] = fleetStatus(scheduler, lab.parts, () => true).machines;
  t.match(status, {
    ageSeconds: 30 * 60,
    replica: { ageSeconds: 30 * 60 },
    shadowCopy: 'copy-4',
    shadowCopyAgeSeconds: 90 * 60,
    nextAt: '2027-06-07T15:00:00.000Z',
  });
  lab.makeByHand('web');
  await lab.run(30 * MINUTE_MS);
  t.same(begun(lab).length, 6, 'a shadow copy by hand is one, too');
});

void t.test('what was missed is made up by one run, and a shadow copy if one is due', async (t) => {
  const lab = labOf(NIGHTLY);
  await lab.start();
  await lab.run(10 * MINUTE_MS);
  await lab.stop();
  lab.clock.advance(8 * HOUR_MS);
  await lab.start();
  await lab.run(10 * MINUTE_MS);
  await lab.stop();
  lab.clock.advance(8 * HOUR_MS);
  await lab.start();
  await lab.run(30 * MINUTE_MS);
  t.same(begun(lab), ['09:00 replicate', '17:10 replicate', '01:20 shadow-copy']);
});

void t.test('one that waits becomes the shadow copy that is due meanwhile; both wait for quiet windows', async (t) => {
  const quiet = [{ days: [0, 1, 2, 3, 4, 5, 6], from: 21 * 60 + 30, to: 23 * 60 }];
  const lab = labOf({ ...NIGHTLY, quiet });
  const scheduler = await lab.start();
  await lab.run(12 * HOUR_MS + 50 * MINUTE_MS);
  t.equal(begun(lab).at(-1), '21:00 replicate');
  await lab.run(15 * MINUTE_MS);
  t.match(scheduler.book.open('web'), { kind: 'shadow-copy', state: 'waiting' });
  t.match(listJobs(scheduler, {}).jobs[0], { kind: 'shadow-copy' });
  await lab.run(HOUR_MS);
  t.equal(begun(lab).at(-1), '23:00 shadow-copy');
});

void t.test(
  'one that failed and is tried again becomes the shadow copy that is due, and is not tried sooner',
  async (t) => {
    const busy = new UmbraError('TRACKER_BUSY', 'a job runs');
    const lab = labOf({ ...NIGHTLY, replicate: { kind: 'calendar', cron: ['55 21 * * *'] } }, () => ({
      takesMs: 0,
      ...(lab.tried.length < 5 ? { error: busy } : {}),
    }));
    const scheduler = await lab.start();
    await lab.run(13 * HOUR_MS + 10 * MINUTE_MS);
    t.same(begun(lab), [
      '21:55 replicate',
      '21:56 replicate',
      '21:58 replicate',
      '22:02 shadow-copy',
      '22:03 shadow-copy',
    ]);
    t.match(scheduler.book.last('web'), { state: 'done', attempts: 2 });
    t.equal(scheduler.book.last('web', 'replicate'), undefined);
  },
);

void t.test('a policy that replicates no more: what waits for that is let be', async (t) => {
  const busy = new UmbraError('TRACKER_BUSY', 'a job runs');
  const lab = labOf(NIGHTLY, () => ({ takesMs: 0, error: busy }));
  const scheduler = await lab.start();
  await lab.run(1000);
  t.match(scheduler.book.open('web'), { kind: 'replicate', state: 'retrying' });
  const { replicate: _replicate, ...policy } = NIGHTLY;
  lab.policies['web'] = policy;
  scheduler.poke();
  await lab.run(MINUTE_MS);
  t.equal(scheduler.book.open('web'), undefined);
});

void t.test(
  'an agent that is back has what it missed made up: the shadow copy rather than the replication',
  async (t) => {
    let isThere = false;
    const away = new UmbraError('AGENT_UNREACHABLE', 'not connected');
    const lab = labOf(NIGHTLY, () => (isThere ? { takesMs: 0 } : { takesMs: 0, error: away }));
    const scheduler = await lab.start();
    await lab.run(35 * MINUTE_MS);
    t.equal(scheduler.book.last('web', 'replicate')?.state, 'failed');
    const failed = lab.tried.length;
    const [status] = fleetStatus(scheduler, lab.parts, () => false).machines;
    t.match(status, { job: { state: 'failed', error: { code: 'AGENT_UNREACHABLE' } } }, 'it is said why');
    isThere = true;
    await lab.run(MINUTE_MS);
    scheduler.hostIsBack('hv1');
    await lab.run(MINUTE_MS);
    t.match(begun(lab).slice(failed), [/replicate/]);
    isThere = false;
    await lab.run(13.7 * HOUR_MS);
    t.equal(scheduler.book.last('web')?.state, 'failed');
    const again = lab.tried.length;
    isThere = true;
    scheduler.hostIsBack('hv1');
    await lab.run(MINUTE_MS);
    t.match(begun(lab).slice(again)[0], /shadow-copy/);
    const [after] = fleetStatus(scheduler, lab.parts, () => true).machines;
    t.equal(after?.job, undefined);
  },
);

void t.test('an agent that is back has a shadow copy made up also while a replication is open', async (t) => {
  let isThere = false;
  const away = new UmbraError('AGENT_UNREACHABLE', 'not connected');
  const lab = labOf(NIGHTLY, () => (isThere ? { takesMs: 0 } : { takesMs: 0, error: away }));
  const scheduler = await lab.start();
  await lab.run(14.8 * HOUR_MS);
  t.match(scheduler.book.last('web'), { state: 'failed', error: { code: 'AGENT_UNREACHABLE' } });
  t.match(scheduler.book.open('web'), { kind: 'replicate', state: 'retrying' });
  const failed = lab.tried.length;
  isThere = true;
  scheduler.hostIsBack('hv1');
  await lab.run(2 * MINUTE_MS);
  t.match(begun(lab).slice(failed), [/shadow-copy/]);
  t.equal(scheduler.book.last('web')?.state, 'done');
  t.equal(scheduler.book.open('web'), undefined);
});

void t.test('a server that died over one: it is done if the replica is newer than then', async (t) => {
  for (const isMade of [true, false]) {
    const lab = labOf(NIGHTLY, () => ({ takesMs: 5 * MINUTE_MS }));
    await lab.start();
    await lab.run(3 * MINUTE_MS);
    lab.kill();
    lab.clock.advance(MINUTE_MS);
    if (isMade) lab.replicateByHand('web');
    const scheduler = await lab.start();
    await lab.run(10 * MINUTE_MS);
    t.equal(lab.tried.length, isMade ? 1 : 2);
    t.match(scheduler.book.last('web', 'replicate'), { state: 'done', shadowCopy: undefined });
  }
});

void t.test('the plan has both kinds, and data loss counts the newest', async (t) => {
  const lab = labOf(NIGHTLY);
  const scheduler = await lab.start();
  await lab.run(10 * MINUTE_MS);
  t.same(
    planOf(scheduler, lab.parts).planned.map(({ kind, at, reason }) => [kind, at, reason]),
    [
      ['replicate', '2027-06-07T10:00:00.000Z', 'policy of web: every 1h'],
      ['shadow-copy', '2027-06-07T22:00:00.000Z', 'policy of web: at "0 22 * * *" in UTC'],
    ],
  );
  await lab.run(4 * HOUR_MS);
  const [watched] = watchedMachines(scheduler, lab.parts);
  t.match(watched, { state: 'ok', ageMs: 10 * MINUTE_MS, shadowCopy: undefined });
});

void t.test('many replications push no shadow copy out of the list', async (t) => {
  const lab = labOf({ ...NIGHTLY, replicate: { kind: 'interval', everyMs: MINUTE_MS } }, () => ({ takesMs: 0 }));
  await lab.start();
  await lab.run(14 * HOUR_MS);
  const scheduler = lab.scheduler;
  const kinds = listJobs(scheduler, { limit: 1000 }).jobs.map(({ kind }) => kind);
  t.equal(kinds.filter((kind) => kind === 'shadow-copy').length, 1);
  t.equal(kinds.filter((kind) => kind === 'replicate').length, MOST_ENDED);
  t.ok(lab.tried.length > 800);
  const stored = await lab.parts.jobs.all();
  t.equal(stored.length, MOST_ENDED + 1, 'and none is left in the store');
  lab.machines = [];
  scheduler.poke();
  await lab.run(MINUTE_MS);
  t.same(scheduler.book.machines(), new Set());
});
