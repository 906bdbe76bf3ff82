import type { ErrorCode } from '../common/error-codes.js';
import { JOB_KINDS, type JobKind } from '../protocol/jobs-api.js';
import type { JobBook } from './job-book.js';
import type { Job } from './job.js';
import { turnedInto, type Due } from './new-jobs.js';
import { FIRST_DELAY_MS } from './retry.js';

/** What jobs wait for that has come: those that failed with one of these codes wait no longer. */
export interface Come {
  readonly codes: readonly ErrorCode[];
  /** Of those, the one with which a job that has failed for good is made up. */
  readonly madeUp: ErrorCode;
}

type LastJobs = Pick<JobBook, 'last' | 'lastDone'>;

/**
 * What is done now that what the job of a machine waited for has come: the job that waited goes on at once, and one that has failed without it
 * is made up. A replication that has not begun makes up the shadow copy that failed before it: nothing else would, until the next one is due.
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
  if (job === undefined) {
    const missed = missedWithout(book, machine, JOB_KINDS, madeUp, nowMs);
    return missed === undefined ? [] : [{ ...create({ kind: missed.kind, dueMs: nowMs }), ...missed }];
  }
  if (job.state === 'running') return [];
  const missed = job.kind === 'replicate' && missedWithout(book, machine, ['shadow-copy'], madeUp, nowMs);
  if (missed) return [{ ...turnedInto(job, { kind: missed.kind, dueMs: nowMs }, nowMs), ...missed }];
  // One that was made up and not tried yet waits for its minute.
  const waited = job.attempts > 0 && codes.some((code) => code === job.error?.code);
  return job.state === 'retrying' && waited ? [{ ...job, readyMs: Math.min(job.readyMs, nowMs) }] : [];
}

type Missed = Pick<Job, 'kind' | 'state' | 'readyMs'> & Required<Pick<Job, 'error'>>;

/** The last job that failed for want of it, and that none has made up since; a shadow copy rather than a replication, since that is one, too. */
function missedWithout(
  book: LastJobs,
  machine: string,
  kinds: readonly JobKind[],
  code: ErrorCode,
  nowMs: number,
): Missed | undefined {
  for (const kind of kinds) {
    const last = book.last(machine, kind);
    if (last?.state !== 'failed' || last.error?.code !== code) continue;
    if (kind === 'replicate' && (book.lastDone(machine)?.id ?? -1) > last.id) continue;
    // What comes and goes makes nobody try all the time. What ended in the future did so by a clock that was ahead.
    const { endedMs = 0 } = last;
    const readyMs = endedMs > nowMs ? nowMs : Math.max(nowMs, endedMs + FIRST_DELAY_MS);
    return { kind, state: 'retrying', readyMs, error: last.error };
  }
  return undefined;
}
