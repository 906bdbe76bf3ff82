import type { JobKind } from '../protocol/jobs-api.js';
import type { JobBook } from './job-book.js';
import { saying, type Job } from './job.js';
import { FIRST_DELAY_MS } from './retry.js';
import type { PlannedMachine } from './scheduler-parts.js';

/** What is due, and when it is, or was. */
export interface Due {
  readonly kind: JobKind;
  readonly dueMs: number;
}

/** A job that waits for its turn. */
export function newJob(id: number, { name, host }: PlannedMachine, { kind, dueMs }: Due): Job {
  return {
    id,
    machine: name,
    host,
    kind,
    state: 'waiting',
    dueMs,
    readyMs: dueMs,
    attempts: 0,
    log: [],
  };
}

/** A job that has not begun, now that something of another kind is due. What failed is not tried sooner for that. */
export function turnedInto(job: Job, { kind, dueMs }: Due, nowMs: number): Job {
  const readyMs = job.state === 'retrying' ? job.readyMs : dueMs;
  return saying(
    { ...job, kind, dueMs, readyMs, attempts: 0 },
    nowMs,
    `a ${kind} is due, and makes the ${job.kind} unnecessary`,
  );
}

/**
 * What is done at once for a machine whose agent is back: a job that waits for it has waited long enough, and one that failed without it is
 * made up.
 * @param create a new job
 */
export function hurried(book: JobBook, machine: string, nowMs: number, create: (due: Due) => Job): Job[] {
  const job = book.open(machine);
  if (job !== undefined) {
    const wasAway = job.error?.code === 'AGENT_UNREACHABLE' || job.error?.code === 'SERVER_STOPPING';
    return job.state === 'retrying' && wasAway ? [{ ...job, readyMs: Math.min(job.readyMs, nowMs) }] : [];
  }
  const missed = missedWithout(book, machine, nowMs);
  return missed === undefined
    ? []
    : [{ ...create({ kind: missed.kind, dueMs: nowMs }), state: 'retrying', error: missed.error }];
}

type Missed = Pick<Job, 'kind'> & Required<Pick<Job, 'error'>>;

/** The last job that failed since the agent was not there; a shadow copy rather than a replication, since that is one, too. */
function missedWithout(book: JobBook, machine: string, nowMs: number): Missed | undefined {
  for (const kind of ['shadow-copy', 'replicate'] as const) {
    const last = book.last(machine, kind);
    if (last?.state !== 'failed' || last.error?.code !== 'AGENT_UNREACHABLE') continue;
    // An agent that comes and goes makes nobody try all the time.
    if (nowMs - (last.endedMs ?? 0) < FIRST_DELAY_MS) return undefined;
    return { kind, error: last.error };
  }
  return undefined;
}
