import type { JobRecords } from '../store/job-records.js';
import { jobFields, parseJob, type Job } from './job.js';

/** Where jobs are kept. */
export interface JobStore {
  /** In the order of their numbers. */
  readonly all: () => Promise<readonly Job[]>;
  readonly find: (id: number) => Promise<Job | undefined>;
  /** Since when machines are planned for. */
  readonly planned: () => Promise<Map<string, number>>;
  /** All of it or nothing; durable when this resolves. */
  readonly write: (changes: StoredChanges) => Promise<void>;
}

export interface StoredChanges {
  readonly put?: readonly Job[];
  readonly remove?: readonly number[];
  readonly plan?: readonly { readonly machine: string; readonly sinceMs: number }[];
  readonly unplan?: readonly string[];
}

/** Jobs in a store. @param records asked for each time: the store may be rebuilt */
export function storedJobs(records: () => JobRecords): JobStore {
  return {
    all: async () => (await records().all()).flatMap(({ id, fields }) => parseJob(id, fields) ?? []),
    find: async (id) => {
      const record = await records().find(id);
      return record && parseJob(id, record.fields);
    },
    planned: () => records().planned(),
    write: ({ put = [], ...changes }) =>
      records().write({ ...changes, put: put.map((job) => ({ id: job.id, fields: jobFields(job) })) }),
  };
}
