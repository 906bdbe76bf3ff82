import { isErrorCode } from '../common/errors.js';
import { list, machine, object, oneOf, string, whole, type Validator } from '../common/params.js';
import type { Consistency, WireError } from '../protocol/api.js';
import { JOB_KINDS, type JobDetails, type JobInfo, type JobKind, type JobState } from '../protocol/jobs-api.js';

/** Lines that a job keeps of what it had to say: the first one and the last ones. */
const MOST_LINES = 60;
const LONGEST_LINE = 300;
const LONGEST_MESSAGE = 1000;

/** A job as it is kept. It is never changed, but replaced. */
export interface Job {
  readonly id: number;
  readonly machine: string;
  readonly host: string;
  readonly kind: JobKind;
  readonly state: JobState;
  readonly dueMs: number;
  /** When it may be begun, at the earliest: when it was due, or when it is tried again. */
  readonly readyMs: number;
  /** Begin of the last attempt. */
  readonly beganMs?: number;
  readonly endedMs?: number;
  readonly attempts: number;
  /** The machine's newest shadow copy when the last attempt began; of a replication, the newest that there was. */
  readonly before?: string;
  readonly shadowCopy?: string;
  readonly consistency?: Consistency;
  readonly error?: WireError;
  readonly log: readonly { readonly timeMs: number; readonly text: string }[];
}

const time = whole(0, Number.MAX_SAFE_INTEGER);
const error: Validator<WireError> = object({ code: string, message: string }, { hint: string });

const stored = object(
  {
    machine,
    host: string,
    kind: oneOf<JobKind>(...JOB_KINDS),
    state: oneOf<JobState>('waiting', 'running', 'retrying', 'done', 'failed', 'cancelled'),
    dueMs: time,
    readyMs: time,
    attempts: whole(0, 1_000_000),
    log: list(object({ timeMs: time, text: string }), 0, MOST_LINES),
  },
  {
    beganMs: time,
    endedMs: time,
    before: string,
    shadowCopy: string,
    consistency: oneOf<Consistency>('offline', 'application', 'filesystem', 'crash', 'none'),
    error,
  },
);

/** A job out of a record; undefined if it is not right, which a newer version may have written. */
export function parseJob(id: number, fields: Record<string, unknown>): Job | undefined {
  try {
    return { id, ...stored(fields, 'job') };
  } catch {
    return undefined;
  }
}

/** What of a job is kept in its record; its number is in the key. */
export function jobFields(job: Job): object {
  const { id: _id, ...fields } = job;
  return fields;
}

/** True for a job that has ended. */
export function hasEnded({ state }: Pick<Job, 'state'>): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

/** The job with one more line of what it has to say. */
export function saying(job: Job, timeMs: number, text: string): Job {
  const line = { timeMs, text: clip(text, LONGEST_LINE) };
  const log = [...job.log, line];
  return { ...job, log: log.length > MOST_LINES ? [...log.slice(0, 1), ...log.slice(2)] : log };
}

/** An error, short enough to be kept. */
export function keptError({ code, message, hint }: WireError): WireError {
  const kept = { code: isErrorCode(code) ? code : 'INTERNAL', message: clip(message, LONGEST_MESSAGE) };
  return hint === undefined ? kept : { ...kept, hint: clip(hint, LONGEST_MESSAGE) };
}

/** Never empty, and without what records can't hold. */
function clip(text: string, longest: number): string {
  const plain = text.replaceAll('\0', ' ').slice(0, longest);
  return plain === '' ? '-' : plain;
}

/** A job as it is told. */
export function jobInfo(job: Job): JobInfo {
  const { id, machine: name, host, kind, state, attempts, shadowCopy, consistency, error: why } = job;
  const waits = (state === 'waiting' || state === 'retrying') && job.readyMs > job.dueMs;
  return {
    id,
    machine: name,
    host,
    kind,
    state,
    dueAt: isoTime(job.dueMs),
    ...(waits ? { notBefore: isoTime(job.readyMs) } : {}),
    ...(job.beganMs === undefined ? {} : { startedAt: isoTime(job.beganMs) }),
    ...(job.endedMs === undefined ? {} : { endedAt: isoTime(job.endedMs) }),
    attempts,
    ...(shadowCopy === undefined ? {} : { shadowCopy }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(why === undefined ? {} : { error: why }),
  };
}

/** A job with its log, as it is told. */
export function jobDetails(job: Job): JobDetails {
  return { ...jobInfo(job), log: job.log.map(({ timeMs, text }) => ({ time: isoTime(timeMs), text })) };
}

export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
