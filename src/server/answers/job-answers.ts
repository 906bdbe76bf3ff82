import type { Shape } from '../../common/json-schema.js';
import { count, eachOf, flag, listOf, shape, text } from '../../common/shapes.js';
import type * as api from '../../protocol/jobs-api.js';
import { consistency, jobState, progress, wireError } from './store-answers.js';

/** What is answered about what the server does by itself, as src/protocol/jobs-api.ts has it. */

const kind = eachOf<api.JobKind>({ 'shadow-copy': true, replicate: true });

const required = {
  id: count,
  machine: text,
  kind,
  state: jobState,
  dueAt: text,
  attempts: count,
} as const;

const optional = {
  host: text,
  notBefore: text,
  startedAt: text,
  endedAt: text,
  shadowCopy: text,
  consistency,
  error: wireError,
  progress,
} as const;

export const jobs: Shape<api.JobsResult> = shape<api.JobsResult>('Jobs', {
  jobs: listOf(shape<api.JobInfo>('Job', required, optional)),
  isScheduling: flag,
});

export const jobDetails: Shape<api.JobDetails> = shape<api.JobDetails>(
  'JobDetails',
  { ...required, log: listOf(shape<api.JobLogLine>('JobLogLine', { time: text, text })) },
  optional,
);

const plannedRun = shape<api.PlannedRun>(
  'PlannedRun',
  { machine: text, host: text, kind, reason: text },
  { at: text, job: count },
);

export const schedule: Shape<api.ScheduleResult> = shape<api.ScheduleResult>('Schedule', {
  planned: listOf(plannedRun),
  isScheduling: flag,
});
