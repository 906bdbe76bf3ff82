import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { Jobs, type Job } from '../../../src/server/jobs.js';
import { ManualClock } from '../../kit/manual-clock.js';

function untilAborted(job: Job): Promise<never> {
  return new Promise((_resolve, reject) => {
    job.signal.addEventListener('abort', () => {
      reject(new DOMException('aborted', 'AbortError'));
    });
  });
}

void t.test('lists what runs', async (t) => {
  const jobs = new Jobs(new ManualClock(), () => []);
  const result = await jobs.run({ kind: 'backup', machine: 'web1' }, 'web1', (job) => {
    t.same(jobs.list(), [{ id: job.id, kind: 'backup', what: 'web1', startedAt: '2026-11-22T10:15:00.000Z' }]);
    return Promise.resolve(42);
  });
  t.equal(result, 42);
  t.same(jobs.list(), []);
});

void t.test('a cancelled job ends with CANCELLED', async (t) => {
  const jobs = new Jobs(new ManualClock(), () => []);
  let id = 0;
  const running = jobs.run({ kind: 'gc' }, 'the store', (job) => {
    id = job.id;
    return untilAborted(job);
  });
  t.equal(jobs.cancel(id), true);
  await t.rejects(running, { code: 'CANCELLED' });
  t.equal(jobs.cancel(id), false);
});

void t.test('a cancelled job may say how to go on', async (t) => {
  const jobs = new Jobs(new ManualClock(), () => []);
  const running = jobs.run({ kind: 'copy' }, 'files', (job) => {
    jobs.cancel(job.id);
    return Promise.reject(new UmbraError('CANCELLED', 'cancelled', { hint: 'Go on.' }));
  });
  await t.rejects(running, { code: 'CANCELLED', hint: 'Go on.' });
});

void t.test('a failure of its own is not hidden by a cancellation', async (t) => {
  const jobs = new Jobs(new ManualClock(), () => []);
  const running = jobs.run({ kind: 'gc' }, 'the store', async (job) => {
    jobs.cancel(job.id);
    await Promise.resolve();
    throw new UmbraError('STORE_FULL', 'the disk is full');
  });
  await t.rejects(running, { code: 'STORE_FULL' });
});

void t.test('what may not run beside another is refused before it begins', async (t) => {
  const jobs = new Jobs(new ManualClock(), () => []);
  const first = jobs.run({ kind: 'backup', machine: 'web1' }, 'web1', untilAborted);
  const second = jobs.run({ kind: 'backup', machine: 'web1' }, 'web1', () =>
    Promise.reject(new TypeError('must not run')),
  );
  await t.rejects(second, { code: 'MACHINE_BUSY' });
  jobs.cancel(1);
  await t.rejects(first);
});

void t.test('rebuilding is refused while something is mounted', async (t) => {
  const jobs = new Jobs(new ManualClock(), () => ['/mnt']);
  await t.rejects(
    jobs.run({ kind: 'rebuild' }, 'the store', () => Promise.resolve()),
    { code: 'STORE_IN_USE' },
  );
});

void t.test('stopping ends all and refuses more', async (t) => {
  const jobs = new Jobs(new ManualClock(), () => []);
  const reason = new UmbraError('SERVER_STOPPING', 'the server is shutting down');
  const running = jobs.run({ kind: 'gc' }, 'the store', untilAborted);
  running.catch(() => undefined);
  await jobs.stop(reason);
  t.same(jobs.list(), []);
  await t.rejects(running, reason);
  await t.rejects(
    jobs.run({ kind: 'list' }, 'everything', () => Promise.resolve()),
    reason,
  );
});

void t.test('numbers that are taken are given to nobody', async (t) => {
  const jobs = new Jobs(new ManualClock(), () => []);
  jobs.reserve(7);
  t.equal(jobs.newId(), 8);
  t.equal(jobs.newId(20), 21);
  jobs.reserve(3);
  await jobs.run({ kind: 'verify' }, 'x', async ({ id }) => t.equal(id, 22));
  await jobs.run({ kind: 'verify' }, 'x', async ({ id }) => t.equal(id, 8), 8);
});
