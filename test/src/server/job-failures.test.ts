import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import { tellJobFailures } from '../../../src/server/job-failures.js';
import { RecordedAlerts } from '../../kit/recorded-alerts.js';
import { ScheduleLab, type Course } from '../../kit/schedule-lab.js';
import type { JobKind, JobState } from '../../../src/protocol/jobs-api.js';
import type { Job } from '../../../src/scheduler/job.js';

const HOUR_MS = 3_600_000;
const BAD = new UmbraError('IMAGE_FORMAT', 'the image is damaged', { hint: 'Mend it.' });

void t.test('a job that failed is told of until one is done, also by a server that comes after', async (t) => {
  const course: { now: Course } = { now: { takesMs: 1000, error: BAD } };
  const lab = new ScheduleLab({
    startMs: Date.UTC(2026, 10, 22),
    machines: [{ name: 'web', host: 'hv1' }],
    policies: { web: DEFAULT_POLICY },
    course: () => course.now,
  });
  const alerts = new RecordedAlerts();
  const tell = (): void => {
    const { book } = lab.scheduler;
    const last = (machine: string, kind: JobKind) => book.last(machine, kind);
    const newestMs = (machine: string): number | undefined => lab.parts.latest(machine)?.timeMs;
    tellJobFailures({ machines: () => book.machines(), last, newestMs }, alerts);
  };
  await lab.start();
  await lab.run(HOUR_MS);
  tell();
  tell();
  t.same(alerts.take(), ['begin job-failed web']);
  t.match(
    [...alerts.active.values()],
    [
      {
        severity: 'warning',
        text: /^Job 1 made no good shadow copy of web: IMAGE_FORMAT: the image is damaged$/,
        advice: 'Mend it. "umbra job 1" shows all of it.',
        facts: { job: 1, host: 'hv1', code: 'IMAGE_FORMAT' },
      },
    ],
  );
  lab.kill();
  await lab.start();
  tell();
  t.same(alerts.take(), [], 'it is known from the jobs that are kept');

  course.now = { takesMs: 10 * HOUR_MS };
  await lab.run(5 * HOUR_MS);
  const job = lab.scheduler.book.open('web');
  t.equal(job?.state, 'running');
  tell();
  t.same(alerts.take(), [], 'one that runs has not been done');
  await lab.scheduler.cancel(job?.id ?? 0);
  await lab.run(1000);
  t.equal(lab.scheduler.book.last('web')?.state, 'cancelled');
  tell();
  t.same(alerts.take(), [], 'one that was cancelled says nothing');
  course.now = { takesMs: 1000 };
  await lab.run(5 * HOUR_MS);
  tell();
  t.same(alerts.take(), ['end job-failed web']);

  course.now = { takesMs: 1000, error: BAD };
  await lab.run(5 * HOUR_MS);
  tell();
  lab.clock.advance(1);
  lab.makeByHand('web');
  tell();
  t.same(alerts.take(), ['begin job-failed web', 'end job-failed web'], 'somebody made a shadow copy');
  alerts.begin({ kind: 'job-failed', subject: 'gone', severity: 'warning', text: '', advice: '', facts: {} });
  tell();
  t.same(alerts.take(), ['begin job-failed gone', 'end job-failed gone'], 'what is not protected any more');
  await lab.stop();
});

function job(id: number, kind: JobKind, state: JobState): Job {
  const error = { code: 'TRACKER_BUSY', message: 'a job runs' } as const;
  const its = { id, machine: 'web', host: 'hv1', kind, state, dueMs: 1, readyMs: 1, attempts: 6, log: [] };
  return { ...its, endedMs: 100, ...(state === 'failed' ? { error } : {}) };
}

t.test('a machine has one alert: of the shadow copy that failed, else of the replication', (t) => {
  const alerts = new RecordedAlerts();
  const tell = (jobs: Partial<Record<JobKind, Job>>, newestMs: Partial<Record<JobKind, number>> = {}): void => {
    tellJobFailures(
      { machines: () => ['web'], last: (_, kind) => jobs[kind], newestMs: (_, kind) => newestMs[kind] },
      alerts,
    );
  };
  const text = (): string | undefined => alerts.active.get('job-failed web')?.text;
  tell({ replicate: job(1, 'replicate', 'failed') });
  t.equal(text(), 'Job 1 made no good replica of web: TRACKER_BUSY: a job runs');
  tell({ replicate: job(1, 'replicate', 'failed'), 'shadow-copy': job(2, 'shadow-copy', 'failed') });
  t.match(text(), /^Job 2 made no good shadow copy/);
  t.same(alerts.take(), ['begin job-failed web'], 'it goes on');
  tell({ 'shadow-copy': job(2, 'shadow-copy', 'cancelled') });
  t.same(alerts.take(), []);
  tell({ replicate: job(1, 'replicate', 'failed'), 'shadow-copy': job(3, 'shadow-copy', 'done') }, { replicate: 200 });
  t.same(alerts.take(), ['end job-failed web'], 'what is newer than it failed makes it good');
  t.end();
});
