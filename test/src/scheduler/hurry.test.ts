import t from 'tap';
import { hurried } from '../../../src/scheduler/hurry.js';
import type { Job } from '../../../src/scheduler/job.js';

const NOW_MS = 10_000_000;
const COME = { codes: ['STORE_FULL'], madeUp: 'STORE_FULL' } as const;
const FULL = { code: 'STORE_FULL', message: 'full' } as const;
const JOB: Job = {
  id: 1,
  machine: 'web',
  host: 'hv1',
  kind: 'shadow-copy',
  state: 'retrying',
  dueMs: 1,
  readyMs: NOW_MS + 500_000,
  attempts: 2,
  log: [],
  error: FULL,
};

function hurry(job: Job | undefined, last: Job | undefined, lastDone?: Job): Job[] {
  const makeUp = (): Job => ({ ...JOB, id: 2, state: 'waiting', readyMs: NOW_MS, attempts: 0 });
  return hurried(
    {
      open: () => job,
      last: (_machine, kind) => (kind === (last?.kind ?? kind) ? last : lastDone),
      lastDone: () => lastDone,
    },
    'web',
    COME,
    NOW_MS,
    makeUp,
  );
}

t.test('what waited for room goes on, and nothing else', async (t) => {
  t.same(hurry(JOB, undefined), [{ ...JOB, readyMs: NOW_MS }]);
  t.same(hurry({ ...JOB, readyMs: 5 }, undefined), [{ ...JOB, readyMs: 5 }], 'what is ready is no later');
  t.same(hurry({ ...JOB, error: { code: 'STORE_FAILED', message: '' } }, undefined), []);
  t.same(hurry({ ...JOB, state: 'running' }, undefined), []);
});

t.test('what has failed for want of it is made up, a minute after that at the earliest', async (t) => {
  const failed: Job = { ...JOB, state: 'failed', endedMs: NOW_MS - 3_600_000 };
  t.match(hurry(undefined, failed), [{ id: 2, state: 'retrying', readyMs: NOW_MS, error: FULL }]);
  const soon = { id: 2, state: 'retrying', readyMs: NOW_MS + 59_000, attempts: 0 } as const;
  const makeUp: Job = { ...JOB, ...soon };
  t.match(hurry(undefined, { ...failed, endedMs: NOW_MS - 1000 }), [soon]);
  t.same(hurry(makeUp, undefined), [], 'what comes once more does not hurry it');
  t.match(hurry(undefined, { ...failed, endedMs: NOW_MS + 5000 }), [{ readyMs: NOW_MS }], 'by a clock that was ahead');
  t.same(hurry(undefined, { ...failed, error: { code: 'IMAGE_FORMAT', message: '' } }), []);
  t.same(hurry(undefined, { ...failed, state: 'done' }), []);
  const replication: Job = { ...failed, kind: 'replicate' };
  t.match(hurry(undefined, replication), [{ kind: 'replicate', state: 'retrying' }]);
  t.same(hurry(undefined, replication, { ...JOB, id: 2, state: 'done' }), [], 'a shadow copy has made it up');
});
