import type { JobKind } from '../protocol/jobs-api.js';
import { saying, type Job } from './job.js';
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
