import type { Consistency, Progress, WireError } from './api.js';

/** What crosses the server's wire, and what `--json` prints, about what a server does by itself. */

/** What jobs do: make a shadow copy, or bring the replica up to date. */
export const JOB_KINDS = ['shadow-copy', 'replicate'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/**
 * `waiting` for its turn, or for the end of a quiet window; `retrying` waits as well, since it failed for a reason that may pass. The others
 * have ended.
 */
export type JobState = 'waiting' | 'running' | 'retrying' | 'done' | 'failed' | 'cancelled';

/** Something that the server does by itself. Times are ISO 8601, in UTC. */
export interface JobInfo {
  readonly id: number;
  readonly machine: string;
  readonly host?: string;
  readonly kind: JobKind;
  readonly state: JobState;
  /** When it was to be done. */
  readonly dueAt: string;
  /** When it is tried again at the earliest. */
  readonly notBefore?: string;
  /** The last attempt. */
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** How often it was begun. */
  readonly attempts: number;
  /** The shadow copy that it made. */
  readonly shadowCopy?: string;
  readonly consistency?: Consistency;
  /** Why it failed, or why it is tried again. */
  readonly error?: WireError;
  readonly progress?: Progress;
}

/** A job with what it has to say, the oldest line first. */
export interface JobDetails extends JobInfo {
  readonly log: readonly JobLogLine[];
}

export interface JobLogLine {
  readonly time: string;
  readonly text: string;
}

export interface JobsRequest {
  readonly machine?: string;
  /** Only those that failed. */
  readonly failed?: boolean;
  /** At most so many of those that have ended, the newest first. */
  readonly limit?: number;
}

export interface JobsResult {
  /** Those that run, then those that wait, then those that have ended, the newest first. */
  readonly jobs: readonly JobInfo[];
  /** False if this server does nothing by itself: a command started it. */
  readonly isScheduling: boolean;
}

export interface JobRequest {
  readonly id: number;
}

/** When something of a kind is done next for a machine. */
export interface PlannedRun {
  readonly machine: string;
  readonly host: string;
  readonly kind: JobKind;
  /** Absent if never. */
  readonly at?: string;
  /** Why then: the rhythm of its policy, and what holds it up. */
  readonly reason: string;
  /** The job, if there is one that has not ended. */
  readonly job?: number;
}

export interface ScheduleResult {
  /** What comes first is first. */
  readonly planned: readonly PlannedRun[];
  readonly isScheduling: boolean;
}
