import type { Policies } from '../policies/policy.js';
import type { JobDetails, JobsRequest, JobsResult, ScheduleResult } from '../protocol/jobs-api.js';

/** What a server does by itself, as its operations ask about it. */
export interface PlannedWork {
  readonly list: (request: JobsRequest) => Promise<JobsResult>;
  /** @throws {UmbraError} NOT_FOUND, STORE_* */
  readonly find: (id: number) => Promise<JobDetails>;
  /** @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT when it has ended, STORE_* */
  readonly cancel: (id: number) => Promise<JobDetails>;
  /** @param policies what would be if these held; by those that hold without them */
  readonly plan: (policies?: Policies) => Promise<ScheduleResult>;
  /** Machines or policies have changed. */
  readonly changed: () => void;
}

/** Figures of it. */
export interface SchedulingFigures {
  /** Jobs that have not ended, by their state. */
  readonly open: ReadonlyMap<string, number>;
  /** When the last job of each machine that was done has begun. */
  readonly lastDone: readonly { readonly machine: string; readonly beganMs: number }[];
}
