import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import type { Policy } from '../../../src/policies/policy.js';
import { MOST_ATTEMPTS } from '../../../src/scheduler/retry.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { kvWith } from '../../kit/kv-with.js';
import { ScheduleLab, type Course, type LabOptions } from '../../kit/schedule-lab.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START_MS = Date.parse('2027-06-07T09:00:00Z');

const ALWAYS: Policy = { ...DEFAULT_POLICY, shadowCopies: { kind: 'interval', everyMs: 4 * HOUR_MS } };
const NIGHTLY: Policy = { ...DEFAULT_POLICY, shadowCopies: { kind: 'calendar', cron: ['0 22 * * *'] } };

function labWith(
  policies: Readonly<Record<string, Policy>>,
  course: (machine: string) => Course = () => ({ takesMs: MINUTE_MS }),
  more: Partial<LabOptions> = {},
): ScheduleLab {
  const machines = Object.keys(policies).map((name) => ({ name, host: 'hv1' }));
  return new ScheduleLab({ startMs: START_MS, machines, policies, course, ...more });
}

function begun(lab: ScheduleLab, machine: string): string[] {
  return lab.tried.filter((tried) => tried.machine === machine).map(({ beganMs }) => hour(beganMs));
}

function hour(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(5, 16);
}

void t.test('an interval begins at once, a calendar when it says', async (t) => {
  const lab = labWith({ web: ALWAYS, db: NIGHTLY });
  await lab.start();
  await lab.run(16 * HOUR_MS);
  t.same(begun(lab, 'web'), ['06-07T09:00', '06-07T13:00', '06-07T17:00', '06-07T21:00', '06-08T01:00']);
  t.same(begun(lab, 'db'), ['06-07T22:00']);
  const { book } = lab.scheduler;
  const last = await book.find(book.last('web')?.id ?? 0);
  t.match(last, { state: 'done', attempts: 1, consistency: 'crash' });
  t.same(
    last.log.map(({ text }) => text),
    ['due', 'begun', 'made copy-3, crash'],
  );
});

void t.test('what heals waits for the end of a quiet window, and is made once', async (t) => {
  const quiet = { ...NIGHTLY, quiet: [{ days: [1], from: 8 * 60, to: 12 * 60 }] };
  const damagedSince = (machine: string): number | undefined => (machine === 'sound' ? undefined : START_MS - 1);
  const lab = labWith({ web: quiet, db: NIGHTLY, sound: NIGHTLY }, undefined, { damagedSince });
  await lab.start();
  await lab.run(6 * HOUR_MS);
  t.same([begun(lab, 'db'), begun(lab, 'web')], [['06-07T09:00'], ['06-07T12:00']]);
  t.same(begun(lab, 'sound'), []);
  const { log } = await lab.scheduler.book.find(lab.scheduler.book.last('web')?.id ?? 0);
  t.equal(log[0]?.text, 'due, since something of it was found damaged in the store');
  await lab.run(12 * HOUR_MS);
  t.same(begun(lab, 'web').slice(1), ['06-07T22:00'], 'then as ever, whatever is still damaged');
});

void t.test('what a machine missed is made up once', async (t) => {
  const lab = labWith({ web: ALWAYS, db: NIGHTLY });
  await lab.start();
  await lab.run(14 * HOUR_MS);
  await lab.stop();
  lab.clock.advance(10 * 24 * HOUR_MS);
  await lab.start();
  await lab.run(HOUR_MS);
  t.same(begun(lab, 'db'), ['06-07T22:00', '06-17T23:00']);
  t.same(begun(lab, 'web').slice(-2), ['06-07T21:00', '06-17T23:00']);
  const missed = await lab.scheduler.book.find(lab.scheduler.book.last('db')?.id ?? 0);
  t.match(missed.log[0], { text: /made up/ });
});

void t.test('a machine that was planned for before a restart is due by its calendar after it', async (t) => {
  const lab = labWith({ db: NIGHTLY });
  await lab.start();
  await lab.stop();
  lab.clock.advance(14 * HOUR_MS);
  await lab.start();
  t.same(begun(lab, 'db'), ['06-07T23:00'], 'it was not running at 22:00');
});

void t.test('errors that may pass are tried again, ever later; others are not', async (t) => {
  const busy = new UmbraError('TRACKER_BUSY', 'a job runs');
  const lab = labWith({ web: NIGHTLY, db: NIGHTLY }, (machine) => ({
    takesMs: 0,
    error: machine === 'web' ? busy : new UmbraError('TRACKER_UNAVAILABLE', 'none works'),
  }));
  await lab.start();
  await lab.run(24 * HOUR_MS);
  const times = lab.tried.filter(({ machine }) => machine === 'web').map(({ beganMs }) => beganMs);
  t.same(
    times.slice(1).map((time, index) => (time - (times[index] ?? 0)) / MINUTE_MS),
    [1, 2, 4, 8, 16],
  );
  t.equal(times.length, MOST_ATTEMPTS);
  t.match(lab.scheduler.book.last('web'), { state: 'failed', error: { code: 'TRACKER_BUSY' } });
  t.same(begun(lab, 'db'), ['06-07T22:00']);
  await lab.run(24 * HOUR_MS);
  t.equal(begun(lab, 'db').length, 2, 'and again when it is due');
});

void t.test('an agent that is there again has what it missed done', async (t) => {
  let isThere = false;
  const away = new UmbraError('AGENT_UNREACHABLE', 'not connected');
  const lab = labWith({ web: NIGHTLY }, () => (isThere ? { takesMs: MINUTE_MS } : { takesMs: 0, error: away }));
  await lab.start();
  await lab.run(13 * HOUR_MS + 2 * MINUTE_MS);
  t.match(lab.scheduler.book.open('web'), { state: 'retrying', error: { code: 'AGENT_UNREACHABLE' } });
  isThere = true;
  lab.scheduler.hostIsBack('hv2');
  lab.scheduler.hostIsBack('hv1');
  await lab.run(2 * MINUTE_MS);
  t.equal(lab.scheduler.book.last('web')?.state, 'done', 'before its back-off is over');
  isThere = false;
  await lab.run(30 * HOUR_MS);
  t.equal(lab.scheduler.book.last('web')?.state, 'failed');
  const before = lab.tried.length;
  isThere = true;
  lab.scheduler.hostIsBack('hv1');
  await lab.run(2 * MINUTE_MS);
  t.equal(lab.scheduler.book.last('web')?.state, 'done', 'before it is due again');
  lab.scheduler.hostIsBack('hv1');
  await lab.run(2 * MINUTE_MS);
  t.equal(lab.tried.length, before + 1);
});

void t.test('an agent that is back while nothing can be noted is not forgotten', async (t) => {
  const away = new UmbraError('AGENT_UNREACHABLE', 'not connected');
  const weekly: Policy = { ...NIGHTLY, shadowCopies: { kind: 'calendar', cron: ['0 22 * * 1'] } };
  let isGone = true;
  let isFull = false;
  const memory = openMemoryKv();
  const meta = kvWith(memory, {
    write: (operations, options) =>
      isFull ? Promise.reject(new UmbraError('STORE_FULL', 'the disk is full')) : memory.write(operations, options),
  });
  const lab = labWith({ web: weekly }, () => (isGone ? { takesMs: 0, error: away } : { takesMs: MINUTE_MS }), { meta });
  await lab.start();
  await lab.run(24 * HOUR_MS);
  t.match(lab.scheduler.book.last('web'), { state: 'failed' });
  isGone = false;
  isFull = true;
  lab.scheduler.hostIsBack('hv1');
  await lab.run(HOUR_MS);
  t.match(lab.scheduler.book.last('web'), { state: 'failed' });
  isFull = false;
  await lab.run(HOUR_MS);
  t.match(lab.scheduler.book.last('web'), { state: 'done' }, 'before it is due again, in five days');
});

void t.test('a machine that is on another host now has done there what it missed', async (t) => {
  const away = new UmbraError('AGENT_UNREACHABLE', 'not connected');
  const weekly: Policy = { ...NIGHTLY, shadowCopies: { kind: 'calendar', cron: ['0 22 * * 1'] } };
  let isGone = true;
  const lab = labWith({ web: weekly, db: weekly }, (machine) =>
    isGone || machine === 'db' ? { takesMs: 0, error: away } : { takesMs: MINUTE_MS },
  );
  await lab.start();
  await lab.run(24 * HOUR_MS);
  t.match(lab.scheduler.book.last('web'), { state: 'failed', host: 'hv1' });
  isGone = false;
  lab.machines = ['web', 'db'].map((name) => ({ name, host: name === 'web' ? 'hv2' : 'hv1' }));
  const before = begun(lab, 'db').length;
  lab.scheduler.hostsChanged();
  await lab.run(HOUR_MS);
  t.match(lab.scheduler.book.last('web'), { state: 'done', host: 'hv2' }, 'before it is due again, in six days');
  t.equal(begun(lab, 'db').length, before, 'whose host is still away');
  lab.scheduler.hostsChanged();
  await lab.run(HOUR_MS);
  t.equal(begun(lab, 'web').at(-1), '06-08T09:00', 'once');
});

void t.test('what waits for room on the disk of the store goes on when there is some', async (t) => {
  let isFull = true;
  const full = new UmbraError('STORE_FULL', 'nearly full');
  const lab = labWith({ web: NIGHTLY }, () => (isFull ? { takesMs: 0, error: full } : { takesMs: MINUTE_MS }));
  await lab.start();
  await lab.run(13 * HOUR_MS + 2 * MINUTE_MS);
  t.match(lab.scheduler.book.open('web'), { state: 'retrying', error: { code: 'STORE_FULL' } });
  isFull = false;
  lab.scheduler.roomIsBack();
  await lab.run(2 * MINUTE_MS);
  t.equal(lab.scheduler.book.last('web')?.state, 'done', 'before its back-off is over');
});

void t.test('agents have a minute to come back when the server was away', async (t) => {
  const there = new Set<string>();
  const lab = labWith({ soon: ALWAYS, never: ALWAYS }, undefined, {
    machines: ['soon', 'never'].map((name) => ({ name, host: name })),
    wasThere: (host) => there.has(host),
  });
  await lab.start();
  await lab.run(MINUTE_MS / 2);
  t.equal(lab.tried.length, 0);
  there.add('soon');
  lab.scheduler.hostIsBack('soon');
  await lab.run(MINUTE_MS / 4);
  t.same(begun(lab, 'soon').length, 1);
  t.same(begun(lab, 'never').length, 0);
  await lab.run(MINUTE_MS / 2);
  t.same(begun(lab, 'never'), ['06-07T09:01']);
});

void t.test('what somebody cancels is done when it is due again', async (t) => {
  const lab = labWith({ web: ALWAYS }, () => ({ takesMs: 30 * MINUTE_MS }));
  await lab.start();
  const job = lab.scheduler.book.open('web');
  await lab.scheduler.cancel(job?.id ?? 0);
  await lab.run(MINUTE_MS);
  t.match(lab.scheduler.book.last('web'), { id: job?.id, state: 'cancelled' });
  await t.rejects(lab.scheduler.cancel(job?.id ?? 0), { code: 'BAD_ARGUMENT' });
  await t.rejects(lab.scheduler.cancel(77), { code: 'NOT_FOUND' });
  await lab.run(5 * HOUR_MS);
  t.same(begun(lab, 'web'), ['06-07T09:00', '06-07T13:00']);
});

void t.test('one that waits for the end of a quiet window can be cancelled, too', async (t) => {
  const quiet = { ...NIGHTLY, quiet: [{ days: [0, 1, 2, 3, 4, 5, 6], from: 21 * 60, to: 60 }] };
  const lab = labWith({ web: quiet });
  await lab.start();
  await lab.run(14 * HOUR_MS);
  const job = lab.scheduler.book.open('web');
  t.match(job, { state: 'waiting', dueMs: START_MS + 13 * HOUR_MS });
  await lab.scheduler.cancel(job?.id ?? 0);
  await lab.run(12 * HOUR_MS);
  t.same(begun(lab, 'web'), []);
  await lab.run(20 * HOUR_MS);
  t.same(begun(lab, 'web'), ['06-09T01:00'], 'the next one, when the window ends');
});

void t.test('a machine of which somebody makes a shadow copy just then is not backed up once more', async (t) => {
  const error = new UmbraError('MACHINE_BUSY', 'a backup is running');
  const lab = labWith({ web: NIGHTLY, db: NIGHTLY }, () => ({ takesMs: 0, error }));
  await lab.start();
  await lab.run(13 * HOUR_MS);
  lab.makeByHand('web');
  await lab.run(HOUR_MS);
  t.same(begun(lab, 'web'), ['06-07T22:00']);
  t.equal(lab.scheduler.book.open('web'), undefined);
  t.ok(begun(lab, 'db').length > 1, 'of this one nobody has');
});

void t.test('a shadow copy that somebody makes counts for an interval', async (t) => {
  const quiet = { ...ALWAYS, quiet: [{ days: [1], from: 8 * 60, to: 12 * 60 }] };
  const lab = labWith({ web: quiet });
  await lab.start();
  await lab.run(2 * HOUR_MS);
  t.ok(lab.scheduler.book.open('web'), 'it waits for the end of the window');
  lab.makeByHand('web');
  await lab.run(5 * HOUR_MS);
  t.same(begun(lab, 'web'), ['06-07T15:00']);
});

void t.test('as many of a host as it bears, and as many in all', async (t) => {
  const names = Array.from({ length: 30 }, (_, index) => `m${index}`);
  const lab = labWith(Object.fromEntries(names.map((name) => [name, ALWAYS])), () => ({ takesMs: 10 * MINUTE_MS }), {
    machines: names.map((name, index) => ({ name, host: index < 20 ? 'big' : `hv${index % 2}` })),
    limits: (host) => (host === 'big' ? { concurrent: 3 } : {}),
  });
  await lab.start();
  const hosts = [...lab.running].map(({ host }) => host);
  t.equal(hosts.length, 3 + 2 + 2);
  t.equal(hosts.filter((host) => host === 'big').length, 3);
  t.equal(hosts.filter((host) => host === 'hv0').length, 2, 'two where nothing is said');
  await lab.run(90 * MINUTE_MS);
  t.equal(lab.made.length, 30);
  lab.machines = names.map((name) => ({ name, host: name }));
  await lab.stop();
  lab.clock.advance(12 * HOUR_MS);
  await lab.start();
  t.equal(lab.running.size, 8, 'in all');
});

void t.test('a shadow copy that is less than wanted stays, and its job says so', async (t) => {
  const strict = { ...NIGHTLY, consistency: 'filesystem', otherwise: 'fail' } as const;
  const policies = { strict, lenient: { ...strict, otherwise: 'accept' }, off: strict } as const;
  const lab = labWith(policies, (machine) => ({ takesMs: 0, consistency: machine === 'off' ? 'offline' : 'crash' }));
  await lab.start();
  await lab.run(14 * HOUR_MS);
  const { book } = lab.scheduler;
  t.match(book.last('strict'), {
    state: 'failed',
    attempts: 1,
    shadowCopy: /copy/,
    error: { code: 'CONSISTENCY_MISSED' },
  });
  t.match(book.last('lenient'), { state: 'done', consistency: 'crash' });
  t.match(book.last('off'), { state: 'done' });
  const { log } = await book.find(book.last('lenient')?.id ?? 0);
  t.match(log.at(-1), { text: /the policy wants filesystem/ });
});

void t.test('a machine that is let go of, one that moves, and policies that change', async (t) => {
  const lab = labWith({ web: ALWAYS, db: NIGHTLY, mail: NIGHTLY }, () => ({ takesMs: 30 * MINUTE_MS }));
  await lab.start();
  t.equal(lab.running.size, 1);
  t.equal(lab.scheduler.moments.remembered, 2);
  lab.machines = lab.machines.filter(({ name }) => name === 'db');
  lab.scheduler.poke();
  await lab.run(MINUTE_MS);
  t.match([...lab.scheduler.book.machines()], ['db']);
  t.equal(lab.scheduler.moments.remembered, 1, 'nothing is remembered of the others');
  t.equal(lab.running.size, 0, 'what ran was aborted');
  t.equal(lab.made.length, 0);
  lab.policies['db'] = { ...ALWAYS, quiet: [{ days: [1], from: 0, to: 12 * 60 }] };
  lab.scheduler.poke();
  await lab.run(HOUR_MS);
  t.match(lab.scheduler.book.open('db'), { host: 'hv1', state: 'waiting' });
  lab.machines = [{ name: 'db', host: 'hv2' }];
  lab.scheduler.poke();
  await lab.run(MINUTE_MS);
  t.match(lab.scheduler.book.open('db'), { host: 'hv2' });
  lab.policies['db'] = { ...NIGHTLY, timeZone: 'Mars/Olympus' };
  lab.scheduler.poke();
  await lab.run(HOUR_MS);
  t.equal(lab.scheduler.book.open('db'), undefined, 'a policy that is not right begins nothing');
});

void t.test('what ran when the server died is made up, unless its shadow copy is there', async (t) => {
  const lab = labWith({ web: NIGHTLY }, () => ({ takesMs: 30 * MINUTE_MS }));
  await lab.start();
  await lab.run(13 * HOUR_MS + MINUTE_MS);
  lab.kill();
  lab.clock.advance(HOUR_MS);
  await lab.start();
  t.match(lab.scheduler.book.open('web'), { state: 'retrying', error: { code: 'SERVER_STOPPING' } });
  // It dies at the write that says how it ended: the first one begins the second attempt.
  await lab.stop();
  await lab.start(2);
  await lab.run(2 * HOUR_MS);
  t.notOk(lab.isAlive());
  t.equal(lab.made.length, 1);
  await lab.start();
  await lab.run(HOUR_MS);
  t.equal(lab.made.length, 1, 'and not once more');
  t.match(lab.scheduler.book.last('web'), { state: 'done', shadowCopy: 'copy-0' });
});

void t.test('what was made is not made again since nobody heard that it was', async (t) => {
  const lost = new UmbraError('AGENT_FAILED', 'the agent was started anew');
  let fails = true;
  const lab = labWith({ web: NIGHTLY, db: NIGHTLY }, (machine) => ({
    takesMs: MINUTE_MS,
    ...(fails ? { error: lost, isUnheard: machine === 'web' } : {}),
  }));
  await lab.start();
  await lab.run(13 * HOUR_MS + MINUTE_MS + 1000);
  const { book } = lab.scheduler;
  t.match(book.last('web'), { state: 'done', shadowCopy: 'copy-0', attempts: 1, error: undefined });
  t.match(book.open('db'), { state: 'retrying', attempts: 1, error: { code: 'AGENT_FAILED' } });
  // The rest of it was on its way when the job had failed.
  lab.makeByHand('db');
  await lab.run(HOUR_MS);
  t.match(book.last('db'), { state: 'done', attempts: 1, error: undefined });
  t.match((await book.find(book.last('db')?.id ?? 0)).log.at(-1), { text: /by-hand-\d+ was made all the same/ });
  t.equal(lab.tried.length, 2);
  fails = false;
  await lab.run(24 * HOUR_MS);
  t.equal(lab.tried.length, 4, 'the next ones are made when they are due');
});

void t.test('an agent that says that the server ends is not asked again at once', async (t) => {
  const error = new UmbraError('SERVER_STOPPING', 'the server is shutting down');
  const lab = labWith({ web: NIGHTLY }, () => ({ takesMs: 1000, error }));
  await lab.start();
  await lab.run(14 * HOUR_MS);
  t.equal(lab.tried.length, MOST_ATTEMPTS);
  t.match(lab.scheduler.book.last('web'), { state: 'failed', error: { code: 'SERVER_STOPPING' } });
});

void t.test('a job is tried again soon although the clock was far ahead when it failed', async (t) => {
  const course = (): Course => ({ takesMs: 1000, error: new UmbraError('AGENT_FAILED', 'no') });
  const failing = labWith({ web: NIGHTLY }, course);
  await failing.start();
  await failing.run(13 * HOUR_MS + MINUTE_MS / 2);
  await failing.stop();
  const ahead = labWith({ web: NIGHTLY }, course, { meta: failing.meta, startMs: START_MS + 400 * 24 * HOUR_MS });
  await ahead.start();
  await ahead.run(HOUR_MS / 4);
  t.match(ahead.scheduler.book.open('web'), { state: 'retrying' });
  await ahead.stop();
  const right = labWith({ web: NIGHTLY }, undefined, { meta: failing.meta, startMs: START_MS + 14 * HOUR_MS });
  await right.start();
  await right.run(HOUR_MS);
  t.equal(right.made.length, 1);
});

void t.test('an orderly end costs no attempt', async (t) => {
  const lab = labWith({ web: NIGHTLY }, () => ({ takesMs: 30 * MINUTE_MS }));
  await lab.start();
  await lab.run(13 * HOUR_MS + MINUTE_MS);
  for (let round = 0; round < MOST_ATTEMPTS + 1; round++) {
    await lab.stop();
    await lab.start();
  }
  t.match(lab.scheduler.book.open('web'), { state: 'running', attempts: 1 });
});

void t.test('a clock that is set back holds up nobody', async (t) => {
  const lab = labWith({ web: ALWAYS });
  await lab.start();
  await lab.run(HOUR_MS);
  lab.kill();
  const earlier = new ScheduleLab({
    startMs: START_MS - 30 * 24 * HOUR_MS,
    machines: lab.machines,
    policies: lab.policies,
    course: () => ({ takesMs: MINUTE_MS }),
    meta: lab.meta,
  });
  await earlier.start();
  await earlier.run(HOUR_MS);
  t.same(begun(earlier, 'web'), ['05-08T09:00']);
});

void t.test('a job whose policy nobody knows once it has begun fails, and nothing hangs on it', async (t) => {
  const lab = labWith({ web: ALWAYS, db: ALWAYS });
  const isRunning = (): boolean => lab.isAlive() && lab.scheduler.book.open('web')?.state === 'running';
  Object.defineProperty(lab.policies, 'web', { get: () => (isRunning() ? undefined : ALWAYS) });
  await lab.start();
  await lab.run(5 * HOUR_MS);
  t.match(lab.scheduler.book.last('web'), { state: 'failed', error: { code: 'INTERNAL' } });
  t.equal(lab.scheduler.isRunning('web'), false);
  t.same(begun(lab, 'db'), ['06-07T09:00', '06-07T13:00']);
});
