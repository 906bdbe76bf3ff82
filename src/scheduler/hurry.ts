import type { ErrorCode } from '../common/error-codes.js';
import type { JobBook } from './job-book.js';
import type { Job } from './job.js';
import type { Due } from './new-jobs.js';
import { FIRST_DELAY_MS } from './retry.js';

/** What jobs wait for that has come: those that failed with one of these codes wait no longer. */
export interface Come {
  readonly codes: readonly ErrorCode[];
  /** Of those, the one with which a job that has failed for good is made up. */
  readonly madeUp: ErrorCode;
}

type LastJobs = Pick<JobBook, 'last'>;

/**
 * What is done now that what the job of a machine waited for has come: the job that waited goes on at once, and one that has failed without it
 * is made up.
 * @param create a new job
 */
export function hurried(
  book: LastJobs & Pick<JobBook, 'open'>,
  machine: string,
  { codes, madeUp }: Come,
  nowMs: number,
  create: (due: Due) => Job,
): Job[] {
  const job = book.open(machine);
  if (job !== undefined) {
    // One that was made up and not tried yet waits for its minute.
    const waited = job.attempts > 0 && codes.some((code) => code === job.error?.code);
    return job.state === 'retrying' && waited ? [{ ...job, readyMs: Math.min(job.readyMs, nowMs) }] : [];
  }
  const missed = missedWithout(book, machine, madeUp, nowMs);
  if (missed === undefined) return [];
  const { kind, readyMs, error } = missed;
  return [{ ...create({ kind, dueMs: nowMs }), state: 'retrying', readyMs, error }];
}

type Missed = Pick<Job, 'kind' | 'readyMs'> & Required<Pick<Job, 'error'>>;

/** The last job that failed for want of it; a shadow copy rather than a replication, since that is one, too. */
function missedWithout(book: LastJobs, machine: string, code: ErrorCode, nowMs: number): Missed | undefined {
  for (const kind of ['shadow-copy', 'replicate'] as const) {
    const last = book.last(machine, kind);
    if (last?.state !== 'failed' || last.error?.code !== code) continue;
    // What comes and goes makes nobody try all the time. What ended in the future did so by a clock that was ahead.
    const { endedMs = 0 } = last;
    const readyMs = endedMs > nowMs ? nowMs : Math.max(nowMs, endedMs + FIRST_DELAY_MS);
    return { kind, readyMs, error: last.error };
  }
  return undefined;
}
